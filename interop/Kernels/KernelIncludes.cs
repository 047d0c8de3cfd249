namespace PixioCuda.Interop;

/// <summary>Follows the includes of a kernel's source.</summary>
internal static class KernelIncludes
{
    /// <summary>The included files that a source can reach, in the order of their names. Conditions are not weighed: a file that is
    /// included only under a macro counts too.</summary>
    /// <exception cref="ArgumentException">Two files have the same name.</exception>
    public static IReadOnlyList<KernelInclude> Reachable(KernelSource source)
    {
        var byName = new Dictionary<string, KernelInclude>(StringComparer.Ordinal);
        foreach (KernelInclude include in source.Includes)
        {
            if (!byName.TryAdd(include.Name, include))
                throw new ArgumentException($"The kernel {source.Title} was given two files of the name '{include.Name}'.", nameof(source));
        }

        var reached = new List<KernelInclude>();
        var pending = new Stack<string>([source.Text]);
        while (pending.TryPop(out string? text))
        {
            foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
            {
                if (IncludedName(line) is string name && byName.Remove(name, out KernelInclude? include))
                {
                    reached.Add(include);
                    pending.Push(include.Text);
                }
            }
        }

        reached.Sort((one, other) => string.CompareOrdinal(one.Name, other.Name));
        return reached;
    }

    // The NAME of a line   # include "NAME"   or   <NAME>; by hand, because a regular expression costs 20 ms when it is first used, half of
    // what all kernels may take from a warm cache.
    private static string? IncludedName(ReadOnlySpan<char> line)
    {
        line = line.TrimStart(" \t");
        if (!line.StartsWith('#'))
            return null;
        line = line[1..].TrimStart(" \t");
        if (!line.StartsWith("include", StringComparison.Ordinal))
            return null;
        line = line["include".Length..].TrimStart(" \t");
        if (line.IsEmpty || line[0] is not ('"' or '<'))
            return null;
        char close = line[0] == '"' ? '"' : '>';
        line = line[1..];
        int end = line.IndexOf(close);
        return end < 0 ? null : line[..end].ToString();
    }
}
