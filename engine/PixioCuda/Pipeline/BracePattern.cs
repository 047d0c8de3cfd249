using System.Globalization;

namespace PixioCuda.Pipeline;

/// <summary>Names with braces, as shells and WebDataset write them: <c>data-{0000..0999}.tar</c>, <c>{train,val}.tar</c>.</summary>
internal static class BracePattern
{
    /// <summary>The most names that one pattern may stand for.</summary>
    public const long MaxNames = 10_000_000;

    /// <summary>The names that a pattern stands for, in order: the first braces change slowest. A number keeps its leading zeros.</summary>
    /// <exception cref="PictureSourceException">A brace has no partner, or there are more than 10,000,000 names.</exception>
    public static IEnumerable<string> Expand(string pattern)
    {
        List<string[]> parts = [];
        long count = 1;
        int at = 0;
        while (at < pattern.Length)
        {
            int open = pattern.IndexOf('{', at);
            if (open < 0)
                open = pattern.Length;
            if (open > at)
                parts.Add([pattern[at..open]]);
            if (open == pattern.Length)
                break;
            int close = pattern.IndexOf('}', open);
            if (close < 0 || pattern.IndexOf('{', open + 1, close - open - 1) >= 0)
                throw new PictureSourceException($"The pattern '{pattern}' has a brace without a partner, or one within another.");
            string[] choices = Choices(pattern[(open + 1)..close], pattern, MaxNames / count);
            count *= choices.Length;
            parts.Add(choices);
            at = close + 1;
        }

        return Combine(parts);
    }

    private static IEnumerable<string> Combine(List<string[]> parts)
    {
        int[] choice = new int[parts.Count];
        while (true)
        {
            yield return string.Concat(parts.Select((part, index) => part[choice[index]]));
            int last = parts.Count - 1;
            while (last >= 0 && ++choice[last] == parts[last].Length)
                choice[last--] = 0;
            if (last < 0)
                yield break;
        }
    }

    private static string[] Choices(string inner, string pattern, long most)
    {
        int dots = inner.IndexOf("..", StringComparison.Ordinal);
        if (dots < 0)
        {
            string[] words = inner.Split(',');
            return words.Length <= most ? words : throw TooMany(pattern);
        }

        string first = inner[..dots], last = inner[(dots + 2)..];
        if (!long.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out long from)
            || !long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out long to) || from > to)
        {
            throw new PictureSourceException(
                $"The pattern '{pattern}' has the range {{{inner}}}, which is not of the form {{FIRST..LAST}} with whole numbers, ascending.");
        }

        if (to - from >= most)
            throw TooMany(pattern);
        int width = HasLeadingZero(first) || HasLeadingZero(last) ? Math.Max(first.Length, last.Length) : 0;
        string[] numbers = new string[to - from + 1];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = (from + i).ToString(CultureInfo.InvariantCulture).PadLeft(width, '0');
        return numbers;

        static bool HasLeadingZero(string number) => number.Length > 1 && number[0] == '0';
    }

    private static PictureSourceException TooMany(string pattern) =>
        new($"The pattern '{pattern}' stands for more than {MaxNames} names. Give several that stand for fewer.");
}
