using PixioCuda.Cli.Output;
using PixioCuda.Imaging;
using SkiaSharp;

namespace PixioCuda.Cli.Show;

/// <summary>Writes pictures as .png.</summary>
internal static class PngFile
{
    private const int BytesPerPixel = 4;

    public static unsafe void Write(RgbImage image, string path)
    {
        byte[] rgba = new byte[checked(BytesPerPixel * image.Width * image.Height)];
        ReadOnlySpan<byte> rgb = image.Pixels.Span;
        for (int pixel = 0; pixel < rgb.Length / 3; pixel++)
        {
            rgb.Slice(3 * pixel, 3).CopyTo(rgba.AsSpan(BytesPerPixel * pixel));
            rgba[(BytesPerPixel * pixel) + 3] = byte.MaxValue;
        }

        SKImageInfo info = new(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        fixed (byte* pixels = rgba)
        {
            using SKPixmap pixmap = new(info, (nint)pixels, BytesPerPixel * image.Width);
            using SKData encoded = pixmap.Encode(SKEncodedImageFormat.Png, quality: 100)
                ?? throw new FailedException($"The picture '{path}' cannot be encoded as PNG.");
            using OutputFile file = OutputFile.Create(path);
            encoded.SaveTo(file.Content);
            file.Commit();
        }
    }
}
