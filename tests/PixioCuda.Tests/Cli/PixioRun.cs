using PixioCuda.Cli;

namespace PixioCuda.Tests.Cli;

/// <summary>What a command line printed and returned, run inside of the test.</summary>
internal sealed record PixioRun(int ExitCode, string Out, string Error)
{
    public string[] OutLines => Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public static PixioRun Of(params string[] args) => OfInput([], args);

    public static PixioRun OfInput(byte[] input, params string[] args)
    {
        using StringWriter output = new() { NewLine = "\n" }, error = new() { NewLine = "\n" };
        CommandConsole console = new() { Out = output, Error = error, OpenInput = () => new MemoryStream(input) };
        int exitCode = PixioCommandLine.Run(args, console);
        return new PixioRun(exitCode, output.ToString(), error.ToString());
    }
}
