namespace PixioCuda.Imaging;

/// <summary>What a decoder may be made to do by a picture that nobody vouches for.</summary>
public sealed record ImageDecodeOptions
{
    /// <summary>The limit at which Pillow refuses a picture as a decompression bomb.</summary>
    public const long DefaultMaxPixels = 178_956_970;

    /// <summary>The defaults.</summary>
    public static ImageDecodeOptions Default { get; } = new();

    /// <summary>The most pixels (width x height) that a picture's header may claim; checked before anything is allocated for
    /// them.</summary>
    public long MaxPixels { get; init; } = DefaultMaxPixels;
}
