using System.Runtime.InteropServices;

namespace PixioCuda.Weights;

/// <summary>The prefix that a wrapping model puts before the encoder's names, such as "pixio." or "backbone.".</summary>
internal static class NamePrefix
{
    /// <summary>Finds the prefix under which most of the expected names are stored: empty, or ending with a dot. Of equals, the
    /// shortest.</summary>
    /// <param name="stored">The names that a checkpoint holds.</param>
    /// <param name="expected">The names that the encoder needs.</param>
    /// <param name="spelling">Gives a stored name, without its prefix, in the spelling of the expected names.</param>
    /// <param name="description">The checkpoint, for messages.</param>
    /// <returns>The prefix, and how many names are stored under it.</returns>
    /// <exception cref="ModelFormatException">Two prefixes hold a whole encoder each, so that the choice would be a guess.</exception>
    public static (string Prefix, int Matches) Find(
        IEnumerable<string> stored, IReadOnlySet<string> expected, CheckpointLayout.NameSpelling spelling, string description)
    {
        int longest = 0;
        foreach (string name in expected)
            longest = Math.Max(longest, name.Length);
        Dictionary<string, int> matches = [];
        foreach (string name in stored)
        {
            // From the end of the name, and no further than an expected name reaches: a hostile name can be 100 MB of dots.
            for (int start = name.Length; start >= 0 && name.Length - start <= longest; start = PreviousStart(name, start))
            {
                if (expected.Contains(spelling(name.AsSpan(start))))
                    CollectionsMarshal.GetValueRefOrAddDefault(matches, name[..start], out _)++;
            }
        }

        List<string> whole = [];
        (string Prefix, int Matches) best = ("", 0);
        foreach ((string prefix, int count) in matches)
        {
            if (count >= expected.Count)
                whole.Add(prefix);
            if (count > best.Matches || (count == best.Matches && IsBefore(prefix, best.Prefix)))
                best = (prefix, count);
        }

        if (whole.Count > 1)
        {
            whole.Sort(string.CompareOrdinal);
            throw new ModelFormatException($"The checkpoint '{description}' holds {whole.Count} whole encoders, under the prefixes "
                + $"{MessageText.List([.. whole.Select(MessageText.Quote)])}: keep the one that is meant and remove the others.");
        }

        return best;
    }

    private static bool IsBefore(string prefix, string other)
        => prefix.Length < other.Length || (prefix.Length == other.Length && string.CompareOrdinal(prefix, other) < 0);

    // Parts of a name begin after a dot, the first one at 0.
    private static int PreviousStart(string name, int start)
        => start == 0 ? -1 : start == 1 ? 0 : name.LastIndexOf('.', start - 2) + 1;
}
