using PixioCuda.Imaging;

namespace PixioCuda.Cli.Show;

/// <summary>Two pictures of one size beside each other, over a caption.</summary>
internal static class SideBySide
{
    private const int Gap = 8;
    private const int Margin = 6;
    private const int LargeText = 2;
    private const int LineSpacing = 3;

    /// <summary>Composes the picture.</summary>
    /// <param name="left">One picture.</param>
    /// <param name="right">The other, of the same size.</param>
    /// <param name="caption">Words that stay together; as many as fit go on a line.</param>
    public static RgbImage Compose(RgbImage left, RgbImage right, IReadOnlyList<string> caption)
    {
        int width = left.Width + Gap + right.Width;
        // Small pictures get small letters.
        int scale = caption.Max(PixelFont.Measure) * LargeText <= width - (2 * Margin) ? LargeText : 1;
        List<string> lines = Lines(caption, (width - (2 * Margin)) / scale);
        int lineHeight = (scale * PixelFont.GlyphHeight) + LineSpacing;

        Canvas canvas = new(new ImageSize(left.Height + (2 * Margin) + (lines.Count * lineHeight), width));
        canvas.Draw(left, 0, 0);
        canvas.Draw(right, 0, left.Width + Gap);
        for (int line = 0; line < lines.Count; line++)
            canvas.Write(lines[line], left.Height + Margin + (line * lineHeight), Margin, scale);
        return canvas.ToImage();
    }

    private static List<string> Lines(IReadOnlyList<string> words, int width)
    {
        List<string> lines = [words[0]];
        foreach (string word in words.Skip(1))
        {
            string longer = $"{lines[^1]}  {word}";
            if (PixelFont.Measure(longer) <= width)
                lines[^1] = longer;
            else
                lines.Add(word);
        }

        return lines;
    }
}
