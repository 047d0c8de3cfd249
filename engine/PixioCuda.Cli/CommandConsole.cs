namespace PixioCuda.Cli;

/// <summary>Where a command reads and writes: the process's streams, or a test's.</summary>
internal sealed class CommandConsole
{
    /// <summary>Data, and nothing else.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Errors, warnings, notes and progress.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Opens what the picture <c>-</c> is read from.</summary>
    public required Func<Stream> OpenInput { get; init; }

    /// <summary>Whether <see cref="Out"/> is looked at by a person.</summary>
    public bool OutIsTerminal { get; init; }

    /// <summary>Whether <see cref="Error"/> is looked at by a person; progress bars are drawn only there.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>Whether errors come with their stack trace.</summary>
    public bool IsDebug { get; init; }

    /// <summary>The process's own streams.</summary>
    public static CommandConsole OfProcess() => new()
    {
        Out = new StreamWriter(Console.OpenStandardOutput(), bufferSize: 1 << 16) { AutoFlush = false, NewLine = "\n" },
        Error = Console.Error,
        OpenInput = Console.OpenStandardInput,
        OutIsTerminal = !Console.IsOutputRedirected,
        ErrorIsTerminal = !Console.IsErrorRedirected,
        IsDebug = Environment.GetEnvironmentVariable("PIXIO_DEBUG") == "1",
    };
}
