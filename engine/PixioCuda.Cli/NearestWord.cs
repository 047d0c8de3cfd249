namespace PixioCuda.Cli;

/// <summary>What somebody who mistyped a word may have meant.</summary>
internal static class NearestWord
{
    /// <summary>The word that takes the fewest changes (a letter put in, left out or replaced, or two neighbours swapped), the first of
    /// equals.</summary>
    /// <returns>Null where more than every third letter, and more than one, would have to change.</returns>
    public static string? To(string word, IReadOnlyList<string> known)
    {
        (string? Word, int Changes) best = (null, int.MaxValue);
        foreach (string candidate in known)
        {
            // No word takes fewer changes than its length differs, so that a very long one costs nothing.
            int most = Math.Max(1, candidate.Length / 3);
            if (Math.Abs(word.Length - candidate.Length) > most)
                continue;
            int changes = Changes(word, candidate);
            if (changes <= most && changes < best.Changes)
                best = (candidate, changes);
        }

        return best.Word;
    }

    // The "optimal string alignment" distance, for words of a few letters.
    private static int Changes(string from, string to)
    {
        int[,] changes = new int[from.Length + 1, to.Length + 1];
        for (int i = 0; i <= from.Length; i++)
            changes[i, 0] = i;
        for (int j = 0; j <= to.Length; j++)
            changes[0, j] = j;
        for (int i = 1; i <= from.Length; i++)
        {
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = changes[i - 1, j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                int fewest = Math.Min(replaced, Math.Min(changes[i - 1, j], changes[i, j - 1]) + 1);
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                    fewest = Math.Min(fewest, changes[i - 2, j - 2] + 1);
                changes[i, j] = fewest;
            }
        }

        return changes[from.Length, to.Length];
    }
}
