namespace PixioCuda.Imaging;

/// <summary>A picture as the models see it: 8-bit RGB, upright, without alpha.</summary>
public sealed class RgbImage
{
    /// <summary>Wraps pixels; they are not copied and must not change afterwards.</summary>
    /// <param name="width">The width in pixels, at least 1.</param>
    /// <param name="height">The height in pixels, at least 1.</param>
    /// <param name="pixels">[height, width, 3], row-major, red first.</param>
    /// <exception cref="ArgumentOutOfRangeException">A side is not positive.</exception>
    /// <exception cref="ArgumentException"><paramref name="pixels"/> does not hold exactly height x width x 3 bytes.</exception>
    public RgbImage(int width, int height, ReadOnlyMemory<byte> pixels)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        if (pixels.Length != 3L * width * height)
        {
            throw new ArgumentException(
                $"A picture of {width} x {height} pixels takes {3L * width * height} bytes of RGB, but {pixels.Length} were given.",
                nameof(pixels));
        }

        Width = width;
        Height = height;
        Pixels = pixels;
    }

    /// <summary>The width in pixels.</summary>
    public int Width { get; }

    /// <summary>The height in pixels.</summary>
    public int Height { get; }

    /// <summary>[Height, Width, 3], row-major, red first.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }
}
