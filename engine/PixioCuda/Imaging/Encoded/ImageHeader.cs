namespace PixioCuda.Imaging.Encoded;

/// <summary>What a picture's file says about itself before anything of it is decoded.</summary>
/// <param name="Format">The format, by the file's signature.</param>
/// <param name="Width">The stored width, before <paramref name="Orientation"/> is applied.</param>
/// <param name="Height">The stored height, before <paramref name="Orientation"/> is applied.</param>
/// <param name="Orientation">The EXIF orientation, 1 (upright) to 8.</param>
internal readonly record struct ImageHeader(ImageFormat Format, int Width, int Height, int Orientation)
{
    /// <summary>What the format is called.</summary>
    public string FormatName => Format == ImageFormat.WebP ? "WebP" : Format.ToString().ToUpperInvariant();

    /// <summary>Reads the header of any known format and holds its size against the limit.</summary>
    /// <exception cref="ImageFormatException">The format is unknown, the header is damaged, a side is zero, or there are too many
    /// pixels.</exception>
    public static ImageHeader Read(ReadOnlySpan<byte> encoded, string name, ImageDecodeOptions options)
    {
        if (encoded.IsEmpty)
            throw ImageError.Damaged(name, "it is empty");

        ImageHeader header = SniffFormat(encoded) switch
        {
            ImageFormat.Png => PngFile.ReadHeader(encoded, name),
            ImageFormat.Jpeg => JpegFile.ReadHeader(encoded, name),
            ImageFormat.Gif => GifFile.ReadHeader(encoded, name),
            ImageFormat.Bmp => BmpFile.ReadHeader(encoded, name),
            ImageFormat.WebP => WebPFile.ReadHeader(encoded, name),
            _ => throw new ImageFormatException(
                $"The file {name} cannot be read as an image: it is none of PNG, JPEG, GIF, BMP and WebP; convert it to one of them."),
        };

        if (header.Width <= 0 || header.Height <= 0)
            throw ImageError.Damaged(name, $"its header claims {header.Width} x {header.Height} pixels");
        if ((long)header.Width * header.Height > options.MaxPixels)
        {
            throw new ImageFormatException(
                $"The image {name} is too large: its header claims {header.Width} x {header.Height} pixels, which is more than "
                + $"the limit of {options.MaxPixels}; raise the limit if the file can be trusted.");
        }

        return header;
    }

    private static ImageFormat? SniffFormat(ReadOnlySpan<byte> encoded)
    {
        if (encoded.StartsWith(PngFile.Signature))
            return ImageFormat.Png;
        if (encoded.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]))
            return ImageFormat.Jpeg;
        if (encoded.StartsWith("GIF87a"u8) || encoded.StartsWith("GIF89a"u8))
            return ImageFormat.Gif;
        if (encoded.StartsWith("RIFF"u8) && encoded.Length >= 12 && encoded[8..12].SequenceEqual("WEBP"u8))
            return ImageFormat.WebP;
        return encoded.StartsWith("BM"u8) ? ImageFormat.Bmp : null;
    }
}

/// <summary>The formats that are let through to a decoder.</summary>
internal enum ImageFormat
{
    Png,
    Jpeg,
    Gif,
    Bmp,
    WebP,
}
