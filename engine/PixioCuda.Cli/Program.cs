using System.Runtime.InteropServices;
using PixioCuda.Cli;

CommandConsole console = CommandConsole.OfProcess();
using CancellationTokenSource interrupted = new();
using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    return PixioCommandLine.Run(args, console, interrupted.Token);
}
finally
{
    PixioCommandLine.Flush(console);
}

void Stop(PosixSignalContext signal)
{
    // The first signal lets the command clean up; the second ends the process as if nobody had caught it.
    signal.Cancel = !interrupted.IsCancellationRequested;
    interrupted.Cancel();
}
