using PixioCuda.Imaging.Resampling;

namespace PixioCuda.Imaging;

/// <summary>What a recipe does to the shape of a picture.</summary>
internal sealed record ImageGeometry(ResizeRule? Resize, CropSize? Crop, CropRounding CropRounding)
{
    /// <summary>The part of a recipe's id that tells the shape, height first.</summary>
    public string Id => (Resize?.Id ?? "no-resize") + (Crop is { } crop ? $"-crop-{crop.Height}x{crop.Width}" : "");

    /// <summary>The size that every picture comes out in; null where that depends on the picture.</summary>
    public ImageSize? FixedSize => Crop is { } crop ? new ImageSize(crop.Height, crop.Width)
        : Resize is { Width: int width } rule ? new ImageSize(rule.Height, width)
        : null;

    /// <summary>What to resize a picture to, and which part of that to keep.</summary>
    /// <exception cref="ImageFormatException">The crop is larger than the resized picture, or a side exceeds what can be
    /// counted.</exception>
    public (int ResizedWidth, int ResizedHeight, PixelRectangle Kept) Plan(int width, int height)
    {
        (int resizedWidth, int resizedHeight) = Resize?.Apply(width, height) ?? (width, height);
        if (Crop is not { } crop)
            return (resizedWidth, resizedHeight, new PixelRectangle(0, 0, resizedWidth, resizedHeight));
        if (crop.Width > resizedWidth || crop.Height > resizedHeight)
        {
            throw new ImageFormatException(
                $"A picture of {width} x {height} pixels is {resizedWidth} x {resizedHeight} when {Id} has resized it, "
                + $"which is smaller than the crop of {crop.Width} x {crop.Height}; use a larger picture or resize to another size.");
        }

        return (resizedWidth, resizedHeight,
            new PixelRectangle(Offset(resizedWidth - crop.Width), Offset(resizedHeight - crop.Height), crop.Width, crop.Height));
    }

    private int Offset(int surplus) =>
        CropRounding == CropRounding.Floor ? surplus / 2 : (int)Math.Round(surplus / 2.0, MidpointRounding.ToEven);
}

/// <summary>What a picture is resized to.</summary>
/// <param name="Height">The height, or the shortest side.</param>
/// <param name="Width">The width, or null where the shortest side is given.</param>
internal sealed record ResizeRule(int Height, int? Width)
{
    public string Id => Width is { } width ? $"bicubic-{Height}x{width}" : $"bicubic-shortest-{Height}";

    /// <summary>To a size, whatever becomes of the aspect ratio.</summary>
    public static ResizeRule Exact(int height, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        return new ResizeRule(height, width);
    }

    /// <summary>The shortest side to a length, the other in proportion, truncated.</summary>
    public static ResizeRule ShortestSide(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        return new ResizeRule(length, null);
    }

    public (int Width, int Height) Apply(int width, int height)
    {
        if (Width is { } exactWidth)
            return (exactWidth, Height);

        long longest = (long)Height * Math.Max(width, height) / Math.Min(width, height);
        if (longest > int.MaxValue)
        {
            throw new ImageFormatException(
                $"A picture of {width} x {height} pixels would be {longest} pixels long with its shortest side at {Height}; "
                + "crop the picture first.");
        }

        return width <= height ? (Height, (int)longest) : ((int)longest, Height);
    }
}

/// <summary>The size of the central part to keep.</summary>
internal readonly record struct CropSize(int Height, int Width);

/// <summary>What becomes of half pixels in a crop's offset.</summary>
internal enum CropRounding
{
    /// <summary>As transformers.</summary>
    Floor,

    /// <summary>As torchvision.</summary>
    HalfEven,
}
