using PixioCuda.Imaging;
using PixioCuda.Imaging.Resampling;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda;

/// <summary>Where a picture lies in a device's scratch memory while it is resized, in bytes: the rows of it that are used, the tables of
/// its two axes, all of which one copy brings there, and behind them the rows between the passes.</summary>
/// <param name="Horizontal">Where the table of the horizontal axis begins.</param>
/// <param name="Vertical">Where that of the vertical axis does.</param>
/// <param name="Rows">Where the rows between the passes begin, which is what is copied.</param>
/// <param name="ByteCount">Of all of it.</param>
internal readonly record struct PreprocessLayout(long Horizontal, long Vertical, long Rows, long ByteCount)
{
    // As the driver aligns memory of its own.
    private const long Alignment = 256;

    // Blocks of a grid in its second dimension.
    private const int MostBlocks = 65_535;

    /// <summary>The layout of a resize.</summary>
    /// <param name="width">Of the picture.</param>
    /// <param name="rowCount">How many of its rows are used.</param>
    /// <param name="columns">Of the result.</param>
    /// <param name="columnStride">The most weights of one of them.</param>
    /// <param name="rows">Of the result.</param>
    /// <param name="rowStride">The most weights of one of them.</param>
    public static PreprocessLayout Of(int width, int rowCount, int columns, int columnStride, int rows, int rowStride)
    {
        long horizontal = Aligned(3L * width * rowCount);
        long vertical = Aligned(horizontal + (sizeof(int) * ResizeAxisTable.LengthOf(columns, columnStride)));
        long between = Aligned(vertical + (sizeof(int) * ResizeAxisTable.LengthOf(rows, rowStride)));
        return new PreprocessLayout(horizontal, vertical, between, between + ((long)ResizeRowsConfig.Pitch(columns) * rowCount));
    }

    /// <summary>Whether a picture can be resized on a device within so many bytes, as far as can be told without computing any weights: as
    /// if all of its rows were used.</summary>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    public static bool Fits(RgbImage image, ImageGeometry geometry, long byteLimit)
    {
        (int resizedWidth, int resizedHeight, PixelRectangle kept) = geometry.Plan(image.Width, image.Height);
        if (Math.Max(image.Width, image.Height) > BicubicResizer.MaxInputSide
            || image.Height > (long)MostBlocks * ResizeRowsConfig.Tile || kept.Height > MostBlocks
            || 3L * kept.Width * kept.Height > byteLimit)
        {
            return false;
        }

        PreprocessLayout layout = Of(
            image.Width, image.Height, kept.Width, BicubicAxis.StrideOf(image.Width, resizedWidth), kept.Height,
            BicubicAxis.StrideOf(image.Height, resizedHeight));
        return layout.ByteCount <= byteLimit;
    }

    private static long Aligned(long byteCount) => (byteCount + Alignment - 1) / Alignment * Alignment;
}
