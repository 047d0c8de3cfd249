using System.Globalization;

namespace PixioCuda.Interop;

/// <summary>One place in which a library may be.</summary>
/// <param name="Source">Why it is looked at: an environment variable, or what keeps libraries there.</param>
/// <param name="Folder">The folder, or null for the dynamic linker's own search.</param>
/// <param name="IsOption">Whether the user named it, so that what is there is taken and nothing else instead.</param>
/// <param name="IsPattern">Whether the folder is a pattern that none on this machine matches: nothing to search, but a place to tell
/// of.</param>
internal sealed record LibraryPlace(string Source, string? Folder, bool IsOption = false, bool IsPattern = false);

/// <summary>The places in which a library is looked for, in order: the user's option, the toolkit, the linker's path, Python's packages.
/// Relative folders are never among them: the working directory belongs to whoever wrote the files in it.</summary>
internal static class LibraryPlaces
{
    /// <summary>Lists the places.</summary>
    /// <exception cref="CudaLibraryException">PIXIO_CUDA_LIBRARIES names a relative folder.</exception>
    public static IReadOnlyList<LibraryPlace> Of(CudaLibraryKind kind, SearchEnvironment environment)
    {
        var places = new List<LibraryPlace>();
        AddOption(places, kind, environment);
        if (kind == CudaLibraryKind.Driver)
        {
            // A toolkit holds only a stub of the driver, against which programs are linked; the driver's own package puts it on the
            // linker's path.
            AddLinkerPath(places, environment);
            foreach (string folder in environment.DriverFolders)
                Add(places, "the driver's folder", folder);
            return places;
        }

        AddToolkit(places, "CUDA_HOME", environment.CudaHome, environment.IsWindows);
        AddToolkit(places, "CUDA_PATH", environment.CudaPath, environment.IsWindows);
        foreach (string parent in environment.ToolkitParents)
        {
            string[] toolkits = ToolkitsNewestFirst(parent, environment.IsWindows);
            foreach (string toolkit in toolkits)
                AddToolkit(places, "the toolkit", toolkit, environment.IsWindows);
            if (toolkits.Length == 0)
                places.Add(new LibraryPlace("the toolkit", Path.Combine(parent, ToolkitPattern(environment.IsWindows)), IsPattern: true));
        }

        AddLinkerPath(places, environment);
        AddPrefix(places, "VIRTUAL_ENV", environment.VirtualEnvironment, environment.IsWindows);
        AddCondaLibraries(places, environment);
        AddPrefix(places, "CONDA_PREFIX", environment.CondaPrefix, environment.IsWindows);
        AddUserSite(places, environment);
        foreach (string prefix in environment.PythonPrefixes)
            AddPrefix(places, "the system's Python", prefix, environment.IsWindows);
        return places;
    }

    private static void AddOption(List<LibraryPlace> places, CudaLibraryKind kind, SearchEnvironment environment)
    {
        foreach (string entry in (environment.Option ?? "").Split(
            environment.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!Path.IsPathFullyQualified(entry))
            {
                string summary = $"{SearchEnvironment.OptionName} names the relative folder '{entry}'";
                throw new CudaLibraryException(kind,
                    $"{CudaLibraryNames.Sentence(CudaLibraryNames.Title(kind))} was not looked for: {summary}, "
                    + "which would be another one in every working directory. Give its full path.")
                { Summary = summary };
            }

            places.Add(new LibraryPlace(SearchEnvironment.OptionName, entry, IsOption: true));
        }
    }

    private static void AddLinkerPath(List<LibraryPlace> places, SearchEnvironment environment)
    {
        if (!environment.IsWindows && environment.AsksLinker)
            places.Add(new LibraryPlace("the linker's path", null));
        foreach (string folder in environment.LinkerFolders)
            Add(places, "PATH", folder);
    }

    private static void AddToolkit(List<LibraryPlace> places, string source, string? root, bool windows)
    {
        if (root is null)
            return;
        if (windows)
        {
            // CUDA 13 moved its libraries one folder down.
            Add(places, source, Path.Combine(root, "bin", "x64"));
            Add(places, source, Path.Combine(root, "bin"));
            return;
        }

        Add(places, source, Path.Combine(root, "lib64"));
        foreach (string target in Subfolders(Path.Combine(root, "targets")))
            Add(places, source, Path.Combine(target, "lib"));
    }

    // Python's packages: PREFIX/lib/python3.X/site-packages/nvidia/*/lib (Debian says dist-packages), PREFIX\Lib\site-packages on Windows.
    private static void AddPrefix(List<LibraryPlace> places, string source, string? prefix, bool windows)
    {
        if (prefix is null || !Path.IsPathFullyQualified(prefix))
            return;
        int before = places.Count;
        if (windows)
        {
            AddSite(places, source, Path.Combine(prefix, "Lib", "site-packages"), windows);
        }
        else
        {
            foreach (string python in Subfolders(Path.Combine(prefix, "lib"), "python3*"))
            {
                AddSite(places, source, Path.Combine(python, "site-packages"), windows);
                AddSite(places, source, Path.Combine(python, "dist-packages"), windows);
            }
        }

        if (places.Count == before)
        {
            string pattern = windows
                ? Path.Combine("Lib", "site-packages", "nvidia", "*", "bin")
                : Path.Combine("lib", "python3*", "*-packages", "nvidia", "*", "lib");
            places.Add(new LibraryPlace(source, Path.Combine(prefix, pattern), IsPattern: true));
        }
    }

    // Conda's own packages put the libraries into the environment's folder of libraries, not into Python's.
    private static void AddCondaLibraries(List<LibraryPlace> places, SearchEnvironment environment)
    {
        if (environment.CondaPrefix is not string prefix)
            return;
        if (environment.IsWindows)
        {
            Add(places, "CONDA_PREFIX", Path.Combine(prefix, "Library", "bin", "x64"));
            Add(places, "CONDA_PREFIX", Path.Combine(prefix, "Library", "bin"));
            return;
        }

        Add(places, "CONDA_PREFIX", Path.Combine(prefix, "lib"));
        foreach (string target in Subfolders(Path.Combine(prefix, "targets")))
            Add(places, "CONDA_PREFIX", Path.Combine(target, "lib"));
    }

    private static void AddUserSite(List<LibraryPlace> places, SearchEnvironment environment)
    {
        if (environment.Home is not string home)
            return;
        if (!environment.IsWindows)
        {
            AddPrefix(places, "the user's Python", Path.Combine(home, ".local"), windows: false);
            return;
        }

        foreach (string python in Subfolders(Path.Combine(home, "Python"), "Python3*"))
            AddSite(places, "the user's Python", Path.Combine(python, "site-packages"), windows: true);
    }

    // cu12 packages have a folder each (cuda_nvrtc, cublas); cu13 packages share one (cu13).
    private static void AddSite(List<LibraryPlace> places, string source, string site, bool windows)
    {
        foreach (string package in Subfolders(Path.Combine(site, "nvidia")))
        {
            if (!windows)
            {
                Add(places, source, Path.Combine(package, "lib"));
                continue;
            }

            Add(places, source, Path.Combine(package, "bin", "x86_64"));
            Add(places, source, Path.Combine(package, "bin"));
        }
    }

    private static string ToolkitPattern(bool windows) => windows ? "v*" : "cuda*";

    private static string[] ToolkitsNewestFirst(string parent, bool windows)
        => [.. Subfolders(parent, ToolkitPattern(windows)).OrderByDescending(VersionOf).ThenBy(folder => folder, StringComparer.Ordinal)];

    // /usr/local/cuda without a version is the machine's own choice, so it comes first.
    private static Version VersionOf(string folder)
    {
        string name = Path.GetFileName(folder);
        if (name == "cuda")
            return new Version(int.MaxValue, 0);
        string text = name.TrimStart("cudav-".ToCharArray());
        if (Version.TryParse(text, out Version? version))
            return version;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int major)
            ? new Version(major, 0) : new Version(0, 0);
    }

    private static string[] Subfolders(string folder, string pattern = "*")
    {
        try
        {
            string[] found = Directory.Exists(folder) ? Directory.GetDirectories(folder, pattern) : [];
            Array.Sort(found, StringComparer.Ordinal);
            return found;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A folder that may not be read holds nothing that could be loaded.
            return [];
        }
    }

    private static void Add(List<LibraryPlace> places, string source, string folder)
    {
        if (Path.IsPathFullyQualified(folder) && !places.Any(place => place.Folder == folder))
            places.Add(new LibraryPlace(source, folder));
    }
}
