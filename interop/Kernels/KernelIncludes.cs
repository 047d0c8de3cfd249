using System.Text.RegularExpressions;

namespace PixioCuda.Interop;

/// <summary>Follows the includes of a kernel's source.</summary>
internal static partial class KernelIncludes
{
    /// <summary>The included files that a source can reach, in the order of their names. Conditions are not weighed: a file that is included only
    /// under a macro counts too.</summary>
    /// <exception cref="ArgumentException">Two files have the same name.</exception>
    public static IReadOnlyList<KernelInclude> Reachable(KernelSource source)
    {
        var byName = new Dictionary<string, KernelInclude>(StringComparer.Ordinal);
        foreach (KernelInclude include in source.Includes)
        {
            if (!byName.TryAdd(include.Name, include))
                throw new ArgumentException($"The kernel {source.Title} was given two files of the name '{include.Name}'.", nameof(source));
        }

        var reached = new SortedDictionary<string, KernelInclude>(StringComparer.Ordinal);
        var pending = new Stack<string>([source.Text]);
        while (pending.TryPop(out string? text))
        {
            foreach (Match match in IncludeLine().Matches(text))
            {
                string name = match.Groups[1].Value;
                if (byName.TryGetValue(name, out KernelInclude? include) && reached.TryAdd(name, include))
                    pending.Push(include.Text);
            }
        }

        return [.. reached.Values];
    }

    [GeneratedRegex("""^[ \t]*#[ \t]*include[ \t]*["<]([^">\r\n]+)[">]""", RegexOptions.Multiline)]
    private static partial Regex IncludeLine();
}
