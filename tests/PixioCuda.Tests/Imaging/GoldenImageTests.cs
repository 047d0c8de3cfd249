using System.Runtime.InteropServices;
using PixioCuda.Imaging;
using PixioCuda.Skia;
using Xunit;

namespace PixioCuda.Tests.Imaging;

/// <summary>What Pillow makes of every picture, byte for byte.</summary>
public sealed class GoldenImageTests
{
    private static readonly SkiaImageDecoder Skia = new();
    private static readonly ImageProcessor Hf = new(ImageRecipe.Hf(256, 256));
    private static readonly ImageProcessor MetaKnn = new(ImageRecipe.MetaKnn(256));

    private static readonly ImageProcessor HfCrop = new(ImageRecipe.Parse(
        """{ "size": { "shortest_edge": 256 }, "crop_size": { "height": 256, "width": 256 } }"""u8, "preprocessor_config.json"));

    public static TheoryData<string> Names => [.. GoldenImage.Names];

    [Fact]
    public void All_thirty_pictures_are_there() => Assert.Equal(30, GoldenImage.Names.Count);

    [Theory]
    [MemberData(nameof(Names))]
    public void Skia_decodes_to_Pillows_pixels(string name)
    {
        GoldenImage golden = GoldenImage.Get(name);
        RgbImage image = Skia.Decode(golden.Encoded, name);
        Assert.Equal((golden.Width, golden.Height), (image.Width, image.Height));
        if (golden.DecodedSha256 is { } expected)
            Assert.Equal(expected, GoldenImage.Sha256(image.Pixels.Span));
        else
            Assert.True(image.Width * image.Height > 512 * 512,
                $"{name} is small, and yet its decoded pixels have no sum in the manifest.");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void All_three_resizes_give_Pillows_bytes(string name)
    {
        GoldenImage golden = GoldenImage.Get(name);
        RgbImage image = Skia.Decode(golden.Encoded, name);
        PixelAssert.Same(golden.Expected("resized_256")!, Resize(Hf, image), 256, $"{name}, 256 x 256");
        if (golden.Expected("meta_crop") is { } meta)
            PixelAssert.Same(meta, Resize(MetaKnn, image), 256, $"{name}, meta-knn");
        if (golden.Expected("hf_crop") is { } hf)
            PixelAssert.Same(hf, Resize(HfCrop, image), 256, $"{name}, shortest edge and centre crop");
    }

    [Fact]
    public void Only_the_line_has_no_crops() =>
        Assert.Equal(["line-1x700.png"], GoldenImage.Names.Where(name => GoldenImage.Get(name).Expected("meta_crop") is null));

    [Fact]
    public void Pixel_values_of_the_cat_are_those_of_transformers_bit_for_bit()
    {
        GoldenImage golden = GoldenImage.Get("cat.png");
        float[] pixelValues = new float[3 * 256 * 256];
        Hf.Process(Skia.Decode(golden.Encoded, golden.Name), pixelValues);
        Assert.Equal(golden.PixelValuesSha256, GoldenImage.Sha256(MemoryMarshal.AsBytes(pixelValues)));
    }

    private static byte[] Resize(ImageProcessor processor, RgbImage image)
    {
        byte[] rgb = new byte[256 * 256 * 3];
        processor.Resize(image, rgb);
        return rgb;
    }
}
