namespace PixioCuda.Imaging;

/// <summary>Turns an encoded picture into upright RGB pixels. Decoders hold no state: one may be used by any number of threads.</summary>
public interface IImageDecoder
{
    /// <summary>Decodes the first frame of a picture, turned upright by its EXIF orientation and converted to RGB: alpha is dropped, grey
    /// is replicated, CMYK is converted, of 16 bits the upper 8 are taken.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="name">What to call the picture in messages: its path or address.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <exception cref="ImageFormatException">The file is damaged, cut short, of an unknown format, or larger than allowed.</exception>
    RgbImage Decode(ReadOnlySpan<byte> encoded, string name, ImageDecodeOptions? options = null);
}
