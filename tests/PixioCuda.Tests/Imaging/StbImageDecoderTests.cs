using PixioCuda.Imaging;
using PixioCuda.Skia;
using Xunit;

namespace PixioCuda.Tests.Imaging;

public sealed class StbImageDecoderTests
{
    private static readonly StbImageDecoder Stb = new();

    public static TheoryData<string> Lossless => [.. GoldenImage.Names.Where(name => !GoldenImage.Get(name).IsJpeg)];

    public static TheoryData<string> Jpegs => [.. GoldenImage.Names.Where(name => GoldenImage.Get(name).IsJpeg)];

    [Theory]
    [MemberData(nameof(Lossless))]
    public void Lossless_pictures_decode_to_Pillows_pixels(string name)
    {
        GoldenImage golden = GoldenImage.Get(name);
        RgbImage image = Stb.Decode(golden.Encoded, name);
        Assert.Equal((golden.Width, golden.Height), (image.Width, image.Height));
        Assert.Equal(golden.DecodedSha256, GoldenImage.Sha256(image.Pixels.Span));
    }

    // What another rounding of the inverse transform and another chroma interpolation make: up to 10 levels, 0.12 in the mean
    // (coffee-422.jpg). Pixels that are turned the wrong way differ by far more.
    [Theory]
    [MemberData(nameof(Jpegs))]
    public void Jpegs_decode_to_within_ten_levels_of_libjpeg(string name)
    {
        GoldenImage golden = GoldenImage.Get(name);
        RgbImage expected = new SkiaImageDecoder().Decode(golden.Encoded, name);
        RgbImage image = Stb.Decode(golden.Encoded, name);
        Assert.Equal((expected.Width, expected.Height), (image.Width, image.Height));

        int[] differences = [.. expected.Pixels.ToArray().Zip(image.Pixels.ToArray(), (left, right) => Math.Abs(left - right))];
        Assert.InRange(differences.Max(), 0, 10);
        Assert.InRange(Math.Round(differences.Average(), 2), 0, 0.12);
    }

    [Fact]
    public void Restart_intervals_are_followed()
    {
        byte[] levels = [200, 255, 192, 230, 201, 250, 199, 210, 240, 222];
        RgbImage image = Stb.Decode(SampleFiles.JpegWithRestarts(levels), "restarts.jpg");
        Assert.Equal((80, 8), (image.Width, image.Height));
        byte[] expected = [.. Enumerable.Range(0, 8 * 80 * 3).Select(i => levels[i / 3 % 80 / 8])];
        PixelAssert.Same(expected, image.Pixels.Span, 80, "restarts.jpg");
    }

    [Fact]
    public void WebP_is_refused_with_a_pointer_to_the_decoder_that_knows_it()
    {
        byte[] encoded = SampleFiles.WebP(new RgbImage(2, 1, new byte[] { 1, 2, 3, 4, 5, 6 }));
        ImageFormatException exception = Assert.Throws<ImageFormatException>(() => Stb.Decode(encoded, "photo.webp"));
        Assert.Contains("photo.webp", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Skia", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Many_threads_decode_at_once()
    {
        string[] names = ["cat-gray.png", "cat-cmyk.jpg", "cat.gif", "cat.bmp", "cat-palette.png"];
        byte[][] encoded = [.. names.Select(name => GoldenImage.Get(name).Encoded)];
        string[] expected = [.. encoded.Select((file, i) => GoldenImage.Sha256(Stb.Decode(file, names[i]).Pixels.Span))];
        Parallel.For(0, 100, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
            Assert.Equal(expected[i % names.Length],
                GoldenImage.Sha256(Stb.Decode(encoded[i % names.Length], names[i % names.Length]).Pixels.Span)));
    }
}
