using System.Buffers;
using System.Runtime.CompilerServices;
using PixioCuda.Imaging.Resampling;

namespace PixioCuda.Imaging;

/// <summary>Makes pictures into model input by a recipe. One instance may be used by any number of threads; scratch memory is rented, so
/// that the steady state allocates nothing.</summary>
public sealed class ImageProcessor
{
    private const int ChannelCount = 3;

    private readonly BicubicResizer _resizer = new();
    private readonly float[] _values;

    /// <summary>Creates a processor.</summary>
    /// <param name="recipe">What to do.</param>
    /// <param name="modelChannels">How many channels the model takes (num_channels).</param>
    /// <exception cref="ModelFormatException">The model does not take the three channels of a picture.</exception>
    public ImageProcessor(ImageRecipe recipe, int modelChannels = ChannelCount)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        if (modelChannels != ChannelCount)
        {
            throw new ModelFormatException(
                $"Pictures give {ChannelCount} channels, and this model takes {modelChannels} (num_channels in its config.json); "
                + "give it pixel values of your own instead of pictures.");
        }

        Recipe = recipe;
        _values = recipe.Scale.ToTable();
    }

    /// <summary>What is done.</summary>
    public ImageRecipe Recipe { get; }

    /// <summary>The size of what comes out for a picture.</summary>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    public (int Height, int Width) OutputSize(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Recipe.OutputSize(image.Width, image.Height);
    }

    /// <summary>Resizes and crops a picture.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="rgb">[height, width, 3] of <see cref="OutputSize"/>, filled completely.</param>
    /// <exception cref="ArgumentException"><paramref name="rgb"/> is of another length.</exception>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    public void Resize(RgbImage image, Span<byte> rgb)
    {
        ArgumentNullException.ThrowIfNull(image);
        (int resizedWidth, int resizedHeight, PixelRectangle kept) = Recipe.Geometry.Plan(image.Width, image.Height);
        CheckLength(rgb.Length, kept, nameof(rgb));
        if (Recipe.Geometry.Resize is null)
            Crop(image, kept, rgb);
        else
            _resizer.Resize(image.Pixels.Span, image.Width, image.Height, resizedWidth, resizedHeight, kept, rgb);
    }

    /// <summary>Makes a picture into model input.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="pixelValues">[3, height, width] of <see cref="OutputSize"/>, filled completely: normalised, red first.</param>
    /// <exception cref="ArgumentException"><paramref name="pixelValues"/> is of another length.</exception>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    public void Process(RgbImage image, Span<float> pixelValues)
    {
        (int height, int width) = OutputSize(image);
        CheckLength(pixelValues.Length, new PixelRectangle(0, 0, width, height), nameof(pixelValues));
        byte[] scratch = ArrayPool<byte>.Shared.Rent(pixelValues.Length);
        try
        {
            Span<byte> rgb = scratch.AsSpan(0, pixelValues.Length);
            Resize(image, rgb);
            Normalize(rgb, pixelValues);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    /// <summary>The weights by which a picture is resized and cropped. Without a resize each pixel of the crop is taken once: at a scale of
    /// 1 the cubic kernel is 1 at the pixel and 0 at its neighbours.</summary>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    internal ResizeAxes AxesFor(RgbImage image)
    {
        (int resizedWidth, int resizedHeight, PixelRectangle kept) = Recipe.Geometry.Plan(image.Width, image.Height);
        return _resizer.Axes(image.Width, image.Height, resizedWidth, resizedHeight, kept);
    }

    /// <summary>[n, 3] bytes to [3, n] values, by table: there are only 256 of each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Normalize(ReadOnlySpan<byte> rgb, Span<float> pixelValues)
    {
        int plane = pixelValues.Length / ChannelCount;
        ReadOnlySpan<float> redOf = _values.AsSpan(0, 256), greenOf = _values.AsSpan(256, 256), blueOf = _values.AsSpan(512, 256);
        Span<float> red = pixelValues[..plane], green = pixelValues.Slice(plane, plane), blue = pixelValues.Slice(2 * plane, plane);
        for (int i = 0; i < red.Length; i++)
        {
            ReadOnlySpan<byte> pixel = rgb.Slice(3 * i, 3);
            red[i] = redOf[pixel[0]];
            green[i] = greenOf[pixel[1]];
            blue[i] = blueOf[pixel[2]];
        }
    }

    private static void Crop(RgbImage image, PixelRectangle kept, Span<byte> rgb)
    {
        for (int y = 0; y < kept.Height; y++)
        {
            long start = 3L * ((long)(kept.Top + y) * image.Width + kept.Left);
            image.Pixels.Span.Slice((int)start, 3 * kept.Width).CopyTo(rgb[(3 * kept.Width * y)..]);
        }
    }

    private static void CheckLength(int length, PixelRectangle kept, string parameter)
    {
        long needed = (long)ChannelCount * kept.Width * kept.Height;
        if (length != needed)
            throw new ArgumentException(
                $"A result of {kept.Height} x {kept.Width} pixels has {needed} values, but there is room for {length}.", parameter);
    }
}
