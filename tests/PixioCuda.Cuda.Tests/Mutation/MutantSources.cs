using System.Reflection;
using System.Text.RegularExpressions;

namespace PixioCuda.Cuda.Tests;

/// <summary>The device sources of the repository, the mutants of them, and the test classes that have to kill these.</summary>
internal static partial class MutantSources
{
    private static readonly string Folder = Path.Combine(Repository.Root, "kernels");

    /// <summary>Of all sources, in the order of their names.</summary>
    public static IReadOnlyList<Mutant> All()
        => [.. Files().Order(StringComparer.Ordinal).SelectMany(path => MutantFinder.Find(Path.GetFileName(path), File.ReadAllText(path)))];

    /// <summary>The test classes that run a source: those of the kernels in which it takes part (for kernels/layer_norm those called
    /// LayerNorm..KernelTests), or those that name it (<see cref="RunsSourcesAttribute"/>).</summary>
    public static IReadOnlyList<string> TestClassesOf(string file)
    {
        string[] kernels = [.. Files().Where(path => path.EndsWith(".cu", StringComparison.Ordinal)
            && (Path.GetFileName(path) == file || Includes(path, file)))];
        return [.. typeof(MutantSources).Assembly.GetTypes()
            .Where(type => type.Name.EndsWith("KernelTests", StringComparison.Ordinal) && kernels.Any(path => Runs(type, path)))
            .Select(type => type.FullName!).Order(StringComparer.Ordinal)];
    }

    private static bool Runs(Type testClass, string kernel)
    {
        if (testClass.GetCustomAttribute<RunsSourcesAttribute>() is RunsSourcesAttribute named)
            return named.Files.Contains(Path.GetFileName(kernel));
        string folder = Path.GetFileName(Path.GetDirectoryName(kernel)!);
        string prefix = string.Concat(folder.Split('_').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
        return testClass.Name.StartsWith(prefix, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Files() => Directory.EnumerateFiles(Folder, "*.cu*", SearchOption.AllDirectories)
        .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal));

    private static bool Includes(string path, string file)
    {
        HashSet<string> seen = [];
        return Visit(File.ReadAllText(path));

        bool Visit(string text) => IncludeLine().Matches(text).Select(match => match.Groups[1].Value).Any(name => seen.Add(name)
            && (name == file
                || (Path.Combine(Folder, "include", name) is string header && File.Exists(header) && Visit(File.ReadAllText(header)))));
    }

    [GeneratedRegex("^#include \"([^\"]+)\"", RegexOptions.Multiline)]
    private static partial Regex IncludeLine();
}
