using PixioCuda.Imaging;

namespace PixioCuda.Cli.Show;

/// <summary>A picture with words under it.</summary>
internal sealed record Tile(RgbImage Picture, string Label);

/// <summary>Labelled pictures in rows, over a caption.</summary>
internal static class Montage
{
    private const int Gap = 8;
    private const int Margin = 6;
    private const int Scale = 2;
    private const int LineSpacing = 3;
    private const int LineHeight = (Scale * PixelFont.GlyphHeight) + LineSpacing;

    /// <summary>Composes the picture. Every column is as wide as its widest tile, every row as high as its highest; a label that is longer
    /// than its column keeps its end, where names differ.</summary>
    /// <param name="tiles">At least one, row by row.</param>
    /// <param name="columns">Tiles in a row.</param>
    /// <param name="caption">A line each.</param>
    public static RgbImage Compose(IReadOnlyList<Tile> tiles, int columns, IReadOnlyList<string> caption)
    {
        int rows = (tiles.Count + columns - 1) / columns;
        int[] widths = [.. Enumerable.Range(0, columns).Select(column =>
            tiles.Where((_, index) => index % columns == column).Select(tile => tile.Picture.Width).DefaultIfEmpty(0).Max())];
        int[] heights = [.. Enumerable.Range(0, rows).Select(row =>
            tiles.Skip(row * columns).Take(columns).Max(tile => tile.Picture.Height))];
        int width = Math.Max(widths.Sum() + (Gap * (columns - 1)), caption.Max(line => Scale * PixelFont.Measure(line)) + (2 * Margin));
        int height = heights.Sum(tile => tile + Margin + LineHeight + Gap) + Margin + (caption.Count * LineHeight);
        Canvas canvas = new(new ImageSize(height, width));
        int top = 0;
        for (int row = 0; row < rows; row++)
        {
            int left = 0;
            for (int column = 0; column < columns && (row * columns) + column < tiles.Count; column++)
            {
                Tile tile = tiles[(row * columns) + column];
                canvas.Draw(tile.Picture, top, left);
                canvas.Write(Fitting(tile.Label, widths[column]), top + heights[row] + Margin, left, Scale);
                left += widths[column] + Gap;
            }

            top += heights[row] + Margin + LineHeight + Gap;
        }

        for (int line = 0; line < caption.Count; line++)
            canvas.Write(caption[line], top + Margin + (line * LineHeight), Margin, Scale);
        return canvas.ToImage();
    }

    private static string Fitting(string label, int width)
    {
        int most = Math.Max(width / (Scale * PixelFont.Advance), 1);
        return label.Length <= most ? label : label[^most..];
    }
}
