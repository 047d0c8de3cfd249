using PixioCuda.Imaging;
using PixioCuda.Skia;
using Xunit;

namespace PixioCuda.Tests.Imaging;

/// <summary>What both decoders promise about files that are sound: orientation, transparency, limits.</summary>
public sealed class EncodedImageTests
{
    private static readonly RgbImage Asymmetric = new(3, 2,
        new byte[] { 10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62 });

    public static TheoryData<string> Decoders => ["stb", "skia"];

    public static IImageDecoder Decoder(string name) => name == "stb" ? new StbImageDecoder() : new SkiaImageDecoder();

    // The red bytes of the upright picture, row by row; the picture as stored is 10 20 30 over 40 50 60. From the EXIF standard's table of
    // where row 0 and column 0 are.
    public static TheoryData<int, int, byte[]> Orientations => new()
    {
        { 1, 3, [10, 20, 30, 40, 50, 60] },
        { 2, 3, [30, 20, 10, 60, 50, 40] },
        { 3, 3, [60, 50, 40, 30, 20, 10] },
        { 4, 3, [40, 50, 60, 10, 20, 30] },
        { 5, 2, [10, 40, 20, 50, 30, 60] },
        { 6, 2, [40, 10, 50, 20, 60, 30] },
        { 7, 2, [60, 30, 50, 20, 40, 10] },
        { 8, 2, [30, 60, 20, 50, 10, 40] },
    };

    [Theory]
    [MemberData(nameof(Orientations))]
    public void Png_and_WebP_are_turned_upright(int orientation, int width, byte[] reds)
    {
        foreach (bool bigEndian in (bool[])[false, true])
        {
            byte[] exif = SampleFiles.Exif(orientation, bigEndian);
            byte[] png = SampleFiles.Png(Asymmetric, SampleFiles.PngChunk("eXIf", exif));
            AssertReds(new StbImageDecoder().Decode(png, "turned.png"), width, reds);
            AssertReds(new SkiaImageDecoder().Decode(png, "turned.png"), width, reds);
            AssertReds(new SkiaImageDecoder().Decode(SampleFiles.WebP(Asymmetric, exif), "turned.webp"), width, reds);
            AssertReds(new SkiaImageDecoder().Decode(SampleFiles.WebP(Asymmetric, [.. "Exif\0\0"u8, .. exif]), "turned.webp"), width, reds);
        }
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void Orientations_that_do_not_exist_and_damaged_metadata_leave_the_picture_as_it_is(string decoder)
    {
        byte[] sound = SampleFiles.Exif(6, bigEndian: true);
        List<byte[]> metadata =
            [SampleFiles.Exif(0, false), SampleFiles.Exif(9, false), SampleFiles.Exif(6, false, type: 7), [], [.. "II*\0"u8]];
        for (int length = 0; length < 32; length++)
            metadata.Add(sound[..length]);
        byte[] directoryFarAway = [.. sound];
        directoryFarAway.AsSpan(4, 4).Fill(0xFF);
        metadata.Add(directoryFarAway);

        foreach (byte[] exif in metadata)
        {
            byte[] png = SampleFiles.Png(Asymmetric, SampleFiles.PngChunk("eXIf", exif));
            AssertReds(Decoder(decoder).Decode(png, "damaged-exif.png"), 3, [10, 20, 30, 40, 50, 60]);
        }
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void Transparent_pixels_of_a_gif_keep_their_color(string decoder)
    {
        byte[] gif = GoldenImage.Get("cat.gif").Encoded;
        const int ColorTableEnd = 13 + 3 * 256;
        ReadOnlySpan<byte> firstPixel = Decoder(decoder).Decode(gif, "cat.gif").Pixels.Span[..3];
        int transparent = 0;
        while (!gif.AsSpan(13 + 3 * transparent, 3).SequenceEqual(firstPixel))
            transparent++;

        byte[] graphicControl = [0x21, 0xF9, 4, 0x01, 0, 0, (byte)transparent, 0];
        byte[] withTransparency = [.. "GIF89a"u8, .. gif[6..ColorTableEnd], .. graphicControl, .. gif[ColorTableEnd..]];
        RgbImage image = Decoder(decoder).Decode(withTransparency, "transparent.gif");
        Assert.Equal(GoldenImage.Get("cat.gif").DecodedSha256, GoldenImage.Sha256(image.Pixels.Span));
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void The_limit_is_the_last_number_of_pixels_that_passes(string decoder)
    {
        foreach (string name in (string[])["cat-1bit.png", "exif-6.jpg", "cat.gif", "cat.bmp"])
        {
            GoldenImage golden = GoldenImage.Get(name);
            int pixels = golden.Width * golden.Height;
            RgbImage image = Decoder(decoder).Decode(golden.Encoded, name, new ImageDecodeOptions { MaxPixels = pixels });
            Assert.Equal(3 * pixels, image.Pixels.Length);

            ImageFormatException exception = Assert.Throws<ImageFormatException>(
                () => Decoder(decoder).Decode(golden.Encoded, name, new ImageDecodeOptions { MaxPixels = pixels - 1 }));
            Assert.Contains(name, exception.Message, StringComparison.Ordinal);
            Assert.Contains($"the limit of {pixels - 1}", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Lossless_WebP_decodes_exactly()
    {
        byte[] pixels = new byte[3 * 37 * 23];
        new Random(5).NextBytes(pixels);
        RgbImage image = new SkiaImageDecoder().Decode(SampleFiles.WebP(new RgbImage(37, 23, pixels)), "noise.webp");
        PixelAssert.Same(pixels, image.Pixels.Span, 37, "noise.webp");
    }

    [Fact]
    public void A_picture_must_have_as_many_bytes_as_its_size_takes()
    {
        Assert.Throws<ArgumentException>(() => new RgbImage(2, 2, new byte[11]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RgbImage(0, 2, default));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RgbImage(2, -1, default));
    }

    private static void AssertReds(RgbImage image, int width, byte[] reds)
    {
        Assert.Equal((width, 6 / width), (image.Width, image.Height));
        byte[] expected = [.. reds.SelectMany(red => new[] { red, (byte)(red + 1), (byte)(red + 2) })];
        Assert.Equal(expected, image.Pixels.ToArray());
    }
}
