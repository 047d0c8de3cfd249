using System.Buffers;
using System.Runtime.Intrinsics;
using PixioCuda.Imaging.Resampling;

namespace PixioCuda.Imaging;

/// <summary>The weights of both axes of a resize, of the part of the result that is kept.</summary>
internal readonly record struct ResizeAxes(BicubicAxis Horizontal, BicubicAxis Vertical);

/// <summary>Pillow's bicubic resize of 8-bit pictures, bit for bit (Image.resize with BICUBIC): antialiased, a horizontal pass, rounding
/// and clipping to bytes, a vertical pass, all in 22-bit fixed point. One instance may be used by any number of threads.</summary>
internal sealed class BicubicResizer(SimdWidth simdWidth)
{
    // Blocks of the vertical pass at the widest vectors.
    private const int StrideAlignment = 64;

    /// <summary>The longest side that can be resized. The weights of an axis take up to 64 bytes per input pixel: this keeps them below
    /// 0.3 GB. The longest JPEG has 65535 pixels a side.</summary>
    public const int MaxInputSide = 1 << 22;

    private readonly BicubicAxisCache _axes = new();

    /// <summary>Creates a resizer with the vectors that suit this machine.</summary>
    public BicubicResizer() : this(SimdWidths.Best) { }

    /// <summary>The weights that a resize takes, of the part of its result that is kept.</summary>
    public ResizeAxes Axes(int width, int height, int resizedWidth, int resizedHeight, PixelRectangle kept) =>
        new(_axes.Get(width, resizedWidth, kept.Left, kept.Width), _axes.Get(height, resizedHeight, kept.Top, kept.Height));

    /// <summary>Resizes a picture and keeps a part of the result; only what that part needs is computed.</summary>
    /// <param name="source">[height, width, 3].</param>
    /// <param name="width">The source's width.</param>
    /// <param name="height">The source's height.</param>
    /// <param name="resizedWidth">The width of the whole result, of which <paramref name="kept"/> is a part.</param>
    /// <param name="resizedHeight">The height of the whole result.</param>
    /// <param name="kept">The part of the result to compute.</param>
    /// <param name="destination">[kept.Height, kept.Width, 3].</param>
    /// <exception cref="ImageFormatException">A side is longer than 4 million pixels, or the picture is so much longer than wide that the
    /// rows between the two passes exceed 2 GB.</exception>
    public void Resize(
        ReadOnlySpan<byte> source, int width, int height, int resizedWidth, int resizedHeight, PixelRectangle kept, Span<byte> destination)
    {
        int rowBytes = checked(3 * kept.Width);
        if (source.Length != 3L * width * height)
            throw new ArgumentException($"The source holds {source.Length} bytes instead of {3L * width * height}.", nameof(source));
        if (destination.Length != (long)rowBytes * kept.Height)
            throw new ArgumentException($"The destination holds {destination.Length} bytes instead of {(long)rowBytes * kept.Height}.",
                nameof(destination));
        if (kept.Left < 0 || kept.Top < 0 || kept.Width < 1 || kept.Height < 1
            || kept.Left > resizedWidth - kept.Width || kept.Top > resizedHeight - kept.Height)
        {
            throw new ArgumentException($"The part {kept} does not lie within {resizedWidth} x {resizedHeight} pixels.", nameof(kept));
        }

        if (width > MaxInputSide || height > MaxInputSide)
        {
            throw new ImageFormatException($"A picture of {width} x {height} pixels cannot be resized: the longest side that can is "
                + $"{MaxInputSide} pixels; crop the picture first.");
        }

        (BicubicAxis horizontal, BicubicAxis vertical) = Axes(width, height, resizedWidth, resizedHeight, kept);
        int rowCount = vertical.InputEnd - vertical.InputStart;
        long stride = ((long)rowBytes + 1 + StrideAlignment - 1) / StrideAlignment * StrideAlignment;
        if (stride * rowCount > Array.MaxLength)
        {
            throw new ImageFormatException($"A picture of {width} x {height} pixels cannot be resized to {resizedWidth} x {resizedHeight}: "
                + $"the {rowCount} rows between the two passes would take {stride * rowCount} bytes; crop the picture first.");
        }

        byte[] between = ArrayPool<byte>.Shared.Rent((int)(stride * rowCount));
        Span<byte> rows = between.AsSpan(0, (int)(stride * rowCount));
        ReadOnlySpan<byte> usedRows = source.Slice(vertical.InputStart * 3 * width, rowCount * 3 * width);
        switch (simdWidth)
        {
            case SimdWidth.Bits512:
                SimdPasses<Lanes512, Vector512<int>>.Horizontal(usedRows, width, horizontal, rows, (int)stride);
                SimdPasses<Lanes512, Vector512<int>>.Vertical(rows, (int)stride, vertical, destination, rowBytes);
                break;
            case SimdWidth.Bits256:
                SimdPasses<Lanes256, Vector256<int>>.Horizontal(usedRows, width, horizontal, rows, (int)stride);
                SimdPasses<Lanes256, Vector256<int>>.Vertical(rows, (int)stride, vertical, destination, rowBytes);
                break;
            case SimdWidth.Bits128:
                SimdPasses<Lanes128, Vector128<int>>.Horizontal(usedRows, width, horizontal, rows, (int)stride);
                SimdPasses<Lanes128, Vector128<int>>.Vertical(rows, (int)stride, vertical, destination, rowBytes);
                break;
            default:
                ScalarPasses.Horizontal(usedRows, width, horizontal, rows, (int)stride);
                ScalarPasses.Vertical(rows, (int)stride, vertical, destination, rowBytes);
                break;
        }

        ArrayPool<byte>.Shared.Return(between);
    }
}
