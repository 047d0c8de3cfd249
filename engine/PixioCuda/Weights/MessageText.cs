namespace PixioCuda.Weights;

/// <summary>Text from a file as it may stand in a message: a file can hold a name of any length, and control characters that a terminal
/// obeys.</summary>
internal static class MessageText
{
    private const int LongestName = 120;
    private const int LongestShape = 8;

    /// <summary>A name in single quotes, shortened where it is long.</summary>
    public static string Quote(string name)
    {
        string shown = name.Length <= LongestName ? name : string.Concat(name.AsSpan(0, LongestName), "...");
        return string.Create(shown.Length + 2, shown, static (text, shown) =>
        {
            text[0] = text[^1] = '\'';
            for (int i = 0; i < shown.Length; i++)
                text[i + 1] = char.IsControl(shown[i]) ? '\uFFFD' : shown[i];
        });
    }

    /// <summary>A shape as "[64, 3, 16, 16]".</summary>
    public static string Shape(IReadOnlyList<long> shape)
        => $"[{string.Join(", ", shape.Take(LongestShape))}{(shape.Count > LongestShape ? ", ..." : "")}]";

    /// <summary>The first items one after another, then how many more there are.</summary>
    public static string List(IReadOnlyCollection<string> items, int most = 12)
        => string.Join(", ", items.Take(most)) + (items.Count > most ? $" and {items.Count - most} more" : "");
}
