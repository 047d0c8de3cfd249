namespace PixioCuda.Interop;

/// <summary>All of the machine that decides where CUDA's libraries are looked for, so that a search can be tested without changing
/// it.</summary>
internal sealed record SearchEnvironment
{
    /// <summary>The variable by which a user names folders of CUDA libraries, separated as in PATH.</summary>
    public const string OptionName = "PIXIO_CUDA_LIBRARIES";

    /// <summary>Whether names and folders are those of Windows.</summary>
    public bool IsWindows { get; init; }

    /// <summary>What stands between two folders in a variable.</summary>
    public char PathSeparator { get; init; } = ':';

    /// <summary>The value of <see cref="OptionName"/>.</summary>
    public string? Option { get; init; }

    /// <summary>CUDA_HOME.</summary>
    public string? CudaHome { get; init; }

    /// <summary>CUDA_PATH.</summary>
    public string? CudaPath { get; init; }

    /// <summary>VIRTUAL_ENV.</summary>
    public string? VirtualEnvironment { get; init; }

    /// <summary>CONDA_PREFIX.</summary>
    public string? CondaPrefix { get; init; }

    /// <summary>The user's home folder.</summary>
    public string? Home { get; init; }

    /// <summary>The folders in which toolkits lie side by side: /usr/local, or NVIDIA GPU Computing Toolkit\CUDA.</summary>
    public IReadOnlyList<string> ToolkitParents { get; init; } = [];

    /// <summary>The prefixes of the system's Python: /usr, /usr/local.</summary>
    public IReadOnlyList<string> PythonPrefixes { get; init; } = [];

    /// <summary>Folders in which some systems keep the driver apart from the linker's path: WSL, NixOS.</summary>
    public IReadOnlyList<string> DriverFolders { get; init; } = [];

    /// <summary>Whether the dynamic linker is asked. It also knows what the process has loaded from elsewhere, which a test may not
    /// want.</summary>
    public bool AsksLinker { get; init; } = true;

    /// <summary>On Windows, the folders of PATH and the system's own. Elsewhere the dynamic linker is asked itself.</summary>
    public IReadOnlyList<string> LinkerFolders { get; init; } = [];

    /// <summary>This process's environment.</summary>
    public static SearchEnvironment FromProcess() => OperatingSystem.IsWindows() ? FromWindows() : new SearchEnvironment
    {
        PathSeparator = Path.PathSeparator,
        Option = Variable(OptionName),
        CudaHome = Variable("CUDA_HOME"),
        CudaPath = Variable("CUDA_PATH"),
        VirtualEnvironment = Variable("VIRTUAL_ENV"),
        CondaPrefix = Variable("CONDA_PREFIX"),
        Home = Variable("HOME"),
        ToolkitParents = ["/usr/local"],
        PythonPrefixes = ["/usr/local", "/usr"],
        DriverFolders = ["/usr/lib/wsl/lib", "/run/opengl-driver/lib"],
    };

    private static SearchEnvironment FromWindows() => new()
    {
        IsWindows = true,
        PathSeparator = Path.PathSeparator,
        Option = Variable(OptionName),
        CudaHome = Variable("CUDA_HOME"),
        CudaPath = Variable("CUDA_PATH"),
        VirtualEnvironment = Variable("VIRTUAL_ENV"),
        CondaPrefix = Variable("CONDA_PREFIX"),
        Home = Variable("APPDATA"),
        ToolkitParents =
        [
            Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "NVIDIA GPU Computing Toolkit", "CUDA"),
        ],
        LinkerFolders = [Environment.SystemDirectory,
            .. (Variable("PATH") ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)],
    };

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
