namespace PixioCuda.Cli;

/// <summary>Ends a command with a message and an exit code.</summary>
internal abstract class CommandException(string message, int exitCode, Exception? innerException = null) : Exception(message, innerException)
{
    public int ExitCode { get; } = exitCode;
}

/// <summary>The command line makes no sense.</summary>
internal sealed class UsageException(string message) : CommandException(message, ExitCodes.Usage);

/// <summary>A picture or a model cannot be used.</summary>
internal sealed class InputException(string message, Exception? innerException = null)
    : CommandException(message, ExitCodes.BadInput, innerException);

/// <summary>The command could not do its work.</summary>
internal sealed class FailedException(string message) : CommandException(message, ExitCodes.Failed);
