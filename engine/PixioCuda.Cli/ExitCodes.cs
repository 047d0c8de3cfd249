namespace PixioCuda.Cli;

/// <summary>What the process returns.</summary>
internal static class ExitCodes
{
    /// <summary>Done.</summary>
    public const int Ok = 0;

    /// <summary>Something failed that is neither the user's words nor his files: a full disk, no memory, a fault of this program.</summary>
    public const int Failed = 1;

    /// <summary>The command line makes no sense: an unknown option, a value that is not allowed, options that exclude each other.</summary>
    public const int Usage = 2;

    /// <summary>A picture or a model is missing, damaged, or does not fit.</summary>
    public const int BadInput = 3;

    /// <summary><c>verify</c> or <c>doctor</c> found something that is not right; what it is stands on standard output.</summary>
    public const int NotRight = 4;

    /// <summary><c>embed</c> did what it was asked for, except that some pictures could not be used; each is a row with its reason.</summary>
    public const int SomeFailed = 5;

    /// <summary>Stopped by Ctrl-C (or SIGTERM), as shells have it: 128 + SIGINT.</summary>
    public const int Interrupted = 130;

    /// <summary>The lines that every <c>--help</c> ends with.</summary>
    public const string Help =
        "0 ok, 1 failed, 2 usage, 3 bad input (a picture or a model), 4 verify or doctor found something wrong, 5 embed: some pictures failed, 130 stopped by Ctrl-C";
}
