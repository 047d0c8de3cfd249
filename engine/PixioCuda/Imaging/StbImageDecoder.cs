using PixioCuda.Imaging.Encoded;
using StbImageSharp;

namespace PixioCuda.Imaging;

/// <summary>The built-in decoder (StbImageSharp): PNG, JPEG, GIF and BMP on every machine, without native libraries. PNG, GIF and BMP are
/// exact; JPEG pixels differ from libjpeg-turbo's by a few levels, so where results are to be compared with Python's, use the Skia
/// decoder.</summary>
/// <remarks>StbImageSharp trusts its input: it loops for ever on some damaged files, hands out memory that it never wrote on others, takes
/// truncated ones for whole, and leaks what it had allocated when its stream throws. Every file's structure is therefore checked
/// before.</remarks>
public sealed class StbImageDecoder : IImageDecoder
{
    // StbImageSharp counts bytes in 32 bits, and holds up to eight of them per pixel.
    private const long MaxAddressablePixels = 1 << 28;

    /// <inheritdoc/>
    public unsafe RgbImage Decode(ReadOnlySpan<byte> encoded, string name, ImageDecodeOptions? options = null)
    {
        options ??= ImageDecodeOptions.Default;
        ImageHeader header = ImageHeader.Read(encoded, name,
            options with { MaxPixels = Math.Min(options.MaxPixels, MaxAddressablePixels) });
        int lastByteNeeded = 0;
        switch (header.Format)
        {
            case ImageFormat.Png:
                PngFile.CheckSound(encoded, name, header);
                break;
            case ImageFormat.Jpeg:
                lastByteNeeded = JpegFile.CheckSound(encoded, name).EndOfImage;
                break;
            case ImageFormat.Gif:
                if (GifFile.WithoutTransparency(encoded, name, header) is { } opaque)
                    encoded = opaque;
                break;
            case ImageFormat.Bmp:
                BmpFile.CheckSound(encoded, name, header);
                break;
            default:
                throw ImageError.Unsupported(name, $"the built-in decoder does not know {header.FormatName}, which the Skia decoder does");
        }

        ImageResult result;
        fixed (byte* file = encoded)
        {
            using EncodedStream stream = new(file, encoded.Length);
            try
            {
                result = ImageResult.FromStream(stream, ColorComponents.RedGreenBlue);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                // Its reasons stand in one static field for all threads, so that they may be about another picture: not passed on.
                throw ImageError.Damaged(name, $"its {header.FormatName} data cannot be decoded", exception);
            }

            // It takes what it cannot decode for the end of the picture, and leaves the rest of the pixels as the memory happened to be.
            if (stream.FurthestRead < lastByteNeeded)
                throw ImageError.Damaged(name, $"its {header.FormatName} data cannot be decoded beyond byte {stream.FurthestRead}");
        }

        if (result.Width != header.Width || result.Height != header.Height)
            throw ImageError.Damaged(name,
                $"it decodes to {result.Width} x {result.Height} pixels, and its header claims {header.Width} x {header.Height}");
        return header.Orientation == ExifOrientation.Upright
            ? new RgbImage(result.Width, result.Height, result.Data)
            : UprightPixels.From(result.Data, result.Width, result.Height, 3, header.Orientation);
    }
}
