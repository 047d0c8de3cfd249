namespace PixioCuda.Pipeline;

/// <summary>Matches file names as shells do: <c>*</c> any characters, <c>?</c> one, <c>[a-z]</c> one of some, <c>[!a-z]</c> one of the
/// others. A name that begins with a dot is matched only by a pattern that does.</summary>
internal static class GlobPattern
{
    /// <summary>A segment of a pattern that stands for any number of folders, none included.</summary>
    public const string AnyFolders = "**";

    /// <summary>Whether a text is more than a plain name.</summary>
    public static bool IsPattern(string text) => text.AsSpan().IndexOfAny('*', '?', '[') >= 0;

    /// <summary>Whether a name fits a pattern's segment.</summary>
    public static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        if (name.StartsWith(".") && !pattern.StartsWith("."))
            return false;
        // The last star and where its match ended: on a mismatch it takes one more character, so that time is bounded by the product.
        int p = 0, n = 0, star = -1, starName = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                (star, starName) = (p++, n);
            }
            else if (p < pattern.Length && MatchesOne(pattern, p, name[n], out int next))
            {
                p = next;
                n++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                n = ++starName;
            }
            else
            {
                return false;
            }
        }

        return pattern[p..].IndexOfAnyExcept('*') < 0;
    }

    private static bool MatchesOne(ReadOnlySpan<char> pattern, int at, char character, out int next)
    {
        next = at + 1;
        if (pattern[at] == '?')
            return true;
        int close = pattern[at] == '[' && at + 2 < pattern.Length ? pattern[(at + 2)..].IndexOf(']') : -1;
        if (close < 0)
            return pattern[at] == character;

        ReadOnlySpan<char> set = pattern[(at + 1)..(at + 2 + close)];
        next = at + 2 + close + 1;
        bool isNegated = set.Length > 1 && set[0] == '!';
        if (isNegated)
            set = set[1..];
        bool isIn = false;
        for (int i = 0; i < set.Length; i++)
        {
            bool isRange = i + 2 < set.Length && set[i + 1] == '-';
            isIn |= isRange ? character >= set[i] && character <= set[i + 2] : character == set[i];
            i += isRange ? 2 : 0;
        }

        return isIn != isNegated;
    }
}
