using PixioCuda.Hub;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli;

/// <summary>Turns an exception into one line on standard error and an exit code.</summary>
internal static class Failure
{
    public static int Report(Exception exception, CommandConsole console, CancellationToken cancellationToken)
    {
        (int exitCode, string message) = exception switch
        {
            CommandException command => (command.ExitCode, Sentences.Of(command)),
            OperationCanceledException when cancellationToken.IsCancellationRequested => (ExitCodes.Interrupted, "Interrupted."),
            ImageFormatException or PictureSourceException or ModelFormatException or HubException => (ExitCodes.BadInput, Sentences.Of(exception)),
            // The library's word for a caller's mistake: here the caller is the command line.
            ArgumentException => (ExitCodes.Usage, Sentences.Of(exception)),
            OutOfMemoryException => (ExitCodes.Failed,
                "There is not enough memory. 'pixio info MODEL' says how much a model takes; a smaller --batch or --resize takes less."),
            IOException or UnauthorizedAccessException or PixioException => (ExitCodes.Failed, Sentences.Of(exception)),
            _ => (ExitCodes.Failed,
                $"{Sentences.Of(exception)} ({exception.GetType().Name}; this is a fault of pixio; PIXIO_DEBUG=1 shows where.)"),
        };
        console.Error.WriteLine($"pixio: {message}");
        if (console.IsDebug)
            console.Error.WriteLine(exception);
        return exitCode;
    }
}
