using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace PixioCuda.Interop;

/// <summary>Finds one of CUDA's libraries in an environment and loads it.</summary>
internal static class CudaLibraryLoader
{
    /// <summary>Loads the first usable library of the environment's places.</summary>
    /// <param name="kind">The library.</param>
    /// <param name="environment">Where to look.</param>
    /// <param name="driverMajor">The driver's major version, where one is known: what a newer NVRTC makes may not run on it, so libraries
    /// up to that version are looked for first.</param>
    /// <exception cref="CudaLibraryException">None was found, or one that the user named cannot be used.</exception>
    public static CudaLibrary Load(CudaLibraryKind kind, SearchEnvironment environment, int? driverMajor = null)
    {
        IReadOnlyList<LibraryPlace> places = LibraryPlaces.Of(kind, environment);
        var findings = new Dictionary<LibraryPlace, string>();
        foreach (int[] majors in MajorsByPreference(kind, driverMajor))
        {
            foreach (LibraryPlace place in places.Where(place => !place.IsPattern))
            {
                if (Load(kind, place, majors, environment.IsWindows, findings) is CudaLibrary library)
                    return library;
            }
        }

        bool isMissing = findings.Count == 0;
        throw new CudaLibraryException(kind, Explain(kind, places, findings))
        {
            IsMissing = isMissing,
            Summary = isMissing
                ? $"{CudaLibraryNames.Title(kind)} was not found"
                : $"{CudaLibraryNames.Title(kind)} cannot be used ({findings.Values.First()})",
        };
    }

    // The groups in which major versions are tried, each over every place.
    private static IEnumerable<int[]> MajorsByPreference(CudaLibraryKind kind, int? driverMajor)
    {
        if (kind == CudaLibraryKind.Driver)
            return [[0]];
        if (driverMajor is not int driver || CudaLibraryNames.Majors.All(major => major <= driver))
            return [CudaLibraryNames.Majors];
        return [[.. CudaLibraryNames.Majors.Where(major => major <= driver)], [.. CudaLibraryNames.Majors.Where(major => major > driver)]];
    }

    private static CudaLibrary? Load(
        CudaLibraryKind kind, LibraryPlace place, int[] majors, bool windows, Dictionary<LibraryPlace, string> findings)
    {
        foreach (int major in majors)
        {
            foreach (string candidate in Candidates(kind, place, major, windows))
            {
                CudaLibrary? library = TryLoad(kind, candidate, windows, out string? problem);
                if (library is not null)
                    return library;
                if (problem is null)
                    continue;
                if (place.IsOption)
                {
                    string summary = $"what {place.Source} names cannot be used ({candidate}: {problem})";
                    throw new CudaLibraryException(kind,
                        $"{CudaLibraryNames.Sentence(CudaLibraryNames.Title(kind))} cannot be used: {summary}.")
                    { Summary = summary };
                }

                findings[place] = findings.TryGetValue(place, out string? before)
                    ? $"{before}; {candidate}: {problem}" : $"{candidate}: {problem}";
            }
        }

        return null;
    }

    private static IEnumerable<string> Candidates(CudaLibraryKind kind, LibraryPlace place, int major, bool windows)
    {
        string[] names = CudaLibraryNames.FileNames(kind, major, windows);
        if (place.Folder is not string folder)
            return names;
        IEnumerable<string> paths = names.Select(name => Path.Combine(folder, name)).Where(File.Exists);
        // A library that was copied without its links has only its full version in its name.
        if (!windows && Directory.Exists(folder) && !paths.Any())
            paths = Directory.EnumerateFiles(folder, names[0] + ".*").OrderByDescending(path => path, StringComparer.Ordinal).Take(1);
        return paths.Take(1);
    }

    // No library and no problem means that the dynamic linker knows none of that name.
    private static CudaLibrary? TryLoad(CudaLibraryKind kind, string path, bool windows, out string? problem)
    {
        problem = null;
        nint handle;
        try
        {
            // A bare name: dlopen looks on the linker's path and nowhere else.
            handle = NativeLibrary.Load(path);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            if (!SaysThatThereIsNone(exception.Message, path))
                problem = OneLine(exception.Message);
            return null;
        }

        Version? version = LibraryVersion.Read(kind, handle, out string why);
        if (version is null)
        {
            problem = why;
            return null;
        }

        if (kind != CudaLibraryKind.Driver && !CudaLibraryNames.Majors.Contains(version.Major))
        {
            problem = $"its version is {version}; those from 12.0 to 13 are accepted";
            return null;
        }

        if (kind == CudaLibraryKind.Nvrtc)
            LoadBuiltins(path, version, windows);
        return new CudaLibrary(kind, handle, path, version);
    }

    // NVRTC opens its builtins by their bare name when it first compiles, which finds them only on the linker's path, unless they are
    // loaded already. Where they are missing, that compilation says so.
    private static void LoadBuiltins(string path, Version version, bool windows)
    {
        if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
            NativeLibrary.TryLoad(Path.Combine(folder, CudaLibraryNames.BuiltinsFileName(version.Major, version.Minor, windows)), out _);
    }

    // The dynamic linker tells only in words that it knows no library of a name: those of glibc, and those of musl.
    private static bool SaysThatThereIsNone(string message, string name) => !Path.IsPathFullyQualified(name)
        && (message.Contains($"{name}: cannot open shared object file: No such file", StringComparison.Ordinal)
            || message.Contains($"library {name}: No such file", StringComparison.Ordinal));

    private static string Explain(CudaLibraryKind kind, IReadOnlyList<LibraryPlace> places, Dictionary<LibraryPlace, string> findings)
    {
        bool windows = OperatingSystem.IsWindows();
        IEnumerable<string> names = (kind == CudaLibraryKind.Driver ? [0] : CudaLibraryNames.Majors)
            .SelectMany(major => CudaLibraryNames.FileNames(kind, major, windows));
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture,
            $"{CudaLibraryNames.Title(kind)} was not found ({string.Join(" or ", names)}). Looked in");
        for (int i = 0; i < places.Count; i++)
        {
            LibraryPlace place = places[i];
            text.Append(CultureInfo.InvariantCulture, $"\n  {place.Folder ?? "the dynamic linker's search path"}");
            if (place.Folder is not null)
                text.Append(CultureInfo.InvariantCulture, $" ({place.Source})");
            if (findings.TryGetValue(place, out string? finding))
                text.Append(CultureInfo.InvariantCulture, $": {finding}");
            // A sentence on one line too.
            text.Append(i + 1 < places.Count ? ';' : '.');
        }

        text.Append(CultureInfo.InvariantCulture,
            $"\nTo get it, {CudaLibraryNames.Remedy(kind)}, "
            + $"or set {SearchEnvironment.OptionName} to the full path of the folder that holds it.");
        return CudaLibraryNames.Sentence(text.ToString());
    }

    private static string OneLine(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
