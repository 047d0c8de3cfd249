namespace PixioCuda.Cli.Output;

/// <summary>Rows in columns as wide as their widest cell: the first to the left, numbers to the right.</summary>
internal static class TextTable
{
    /// <summary>Prints a table.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="head">The columns' names.</param>
    /// <param name="rows">As many cells each as there are columns.</param>
    /// <param name="lastIsText">Whether the last column is words, and to the left too.</param>
    public static void Print(TextWriter output, string[] head, IEnumerable<string[]> rows, bool lastIsText = false)
    {
        string[][] lines = [head, .. rows];
        int[] widths = [.. head.Select((_, column) => lines.Max(line => line[column].Length))];
        foreach (string[] line in lines)
        {
            IEnumerable<string> cells = line.Select((cell, column) =>
                column == 0 || (lastIsText && column == head.Length - 1) ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]));
            output.WriteLine(string.Join("  ", cells).TrimEnd());
        }
    }
}
