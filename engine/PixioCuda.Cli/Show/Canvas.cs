using PixioCuda.Imaging;

namespace PixioCuda.Cli.Show;

/// <summary>A white picture that others and text are put on.</summary>
internal sealed class Canvas
{
    private const byte Paper = 255;
    private const byte Ink = 48;

    private readonly byte[] _pixels;
    private readonly ImageSize _size;

    public Canvas(ImageSize size)
    {
        _size = size;
        _pixels = new byte[checked((int)(3 * size.Area))];
        _pixels.AsSpan().Fill(Paper);
    }

    /// <summary>Puts a picture down.</summary>
    public void Draw(RgbImage image, int top, int left)
    {
        for (int y = 0; y < image.Height; y++)
            image.Pixels.Span.Slice(3 * y * image.Width, 3 * image.Width).CopyTo(_pixels.AsSpan(Offset(top + y, left)));
    }

    /// <summary>Writes a line of text; what does not fit on the canvas is cut off.</summary>
    /// <param name="text">One line.</param>
    /// <param name="top">The first row.</param>
    /// <param name="left">The first column.</param>
    /// <param name="scale">The side of one of the font's pixels.</param>
    public void Write(string text, int top, int left, int scale)
    {
        bool[] ink = PixelFont.Draw(text);
        int width = PixelFont.Measure(text);
        for (int i = 0; i < ink.Length; i++)
        {
            if (!ink[i])
                continue;
            for (int row = 0; row < scale; row++)
            {
                for (int column = 0; column < scale; column++)
                    Dot(top + (scale * (i / width)) + row, left + (scale * (i % width)) + column);
            }
        }
    }

    public RgbImage ToImage() => new(_size.Width, _size.Height, _pixels);

    private void Dot(int y, int x)
    {
        if (y < _size.Height && x < _size.Width)
            _pixels.AsSpan(Offset(y, x), 3).Fill(Ink);
    }

    private int Offset(int y, int x) => 3 * ((y * _size.Width) + x);
}
