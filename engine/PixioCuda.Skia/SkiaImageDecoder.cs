using System.Buffers;
using PixioCuda.Imaging;
using PixioCuda.Imaging.Encoded;
using SkiaSharp;

namespace PixioCuda.Skia;

/// <summary>The decoder that gives Pillow's pixels, bit for bit (libjpeg-turbo, libpng and libwebp through SkiaSharp), for PNG, JPEG, GIF,
/// BMP and WebP.</summary>
public sealed class SkiaImageDecoder : IImageDecoder
{
    private const int PixelSize = 4;

    /// <inheritdoc/>
    public unsafe RgbImage Decode(ReadOnlySpan<byte> encoded, string name, ImageDecodeOptions? options = null)
    {
        ImageHeader header = ImageHeader.Read(encoded, name, options ?? ImageDecodeOptions.Default);
        if (header.Format == ImageFormat.Gif && GifFile.WithoutTransparency(encoded, name, header) is { } opaque)
            encoded = opaque;

        int byteCount = ByteCount(header, name);
        byte[] scratch = ArrayPool<byte>.Shared.Rent(byteCount);
        try
        {
            fixed (byte* file = encoded, pixels = scratch)
                Decode((nint)file, encoded.Length, (nint)pixels, header, name);
            return UprightPixels.From(scratch.AsSpan(0, byteCount), header.Width, header.Height, PixelSize, header.Orientation);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    private static void Decode(nint file, int fileLength, nint pixels, ImageHeader header, string name)
    {
        using SKData data = SKData.Create(file, fileLength);
        using SKCodec? codec = SKCodec.Create(data);
        if (codec is null)
            throw ImageError.Damaged(name, $"its {header.FormatName} header cannot be read");
        if (codec.Info.Width != header.Width || codec.Info.Height != header.Height)
        {
            throw ImageError.Damaged(name,
                $"it decodes to {codec.Info.Width} x {codec.Info.Height} pixels, and its header claims {header.Width} x {header.Height}");
        }

        // No color space: the stored values themselves, as Pillow gives them, whatever profile the file carries.
        SKImageInfo wanted = new(header.Width, header.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        SKCodecResult result = codec.GetPixels(wanted, pixels);
        if (result == SKCodecResult.IncompleteInput)
            throw ImageError.Damaged(name, $"its {header.FormatName} data end before its pixels do; it may be cut short");
        if (result != SKCodecResult.Success)
            throw ImageError.Damaged(name, $"its {header.FormatName} data cannot be decoded ({result})");
    }

    private static int ByteCount(ImageHeader header, string name)
    {
        long byteCount = (long)header.Width * header.Height * PixelSize;
        return byteCount <= Array.MaxLength
            ? (int)byteCount
            : throw ImageError.Unsupported(name,
                $"its {header.Width} x {header.Height} pixels take {byteCount} bytes, more than one block of memory");
    }
}
