using System.Text;
using PixioCuda.Imaging;
using Xunit;

namespace PixioCuda.Tests.Imaging;

public sealed class ImageProcessorTests
{
    private static readonly RgbImage Picture = MakePicture(50, 40);

    [Fact]
    public void Values_are_planar_and_normalised_in_single_precision()
    {
        ImageProcessor processor = Processor("""
            { "size": { "height": 16, "width": 24 }, "do_center_crop": false, "rescale_factor": 0.01,
              "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6] }
            """);
        byte[] rgb = new byte[16 * 24 * 3];
        processor.Resize(Picture, rgb);
        float[] pixelValues = new float[3 * 16 * 24];
        processor.Process(Picture, pixelValues);

        float[] mean = [0.1f, 0.2f, 0.3f], deviation = [0.4f, 0.5f, 0.6f];
        for (int i = 0; i < pixelValues.Length; i++)
        {
            int channel = i / (16 * 24), pixel = i % (16 * 24);
            float scaled = (float)(rgb[3 * pixel + channel] * 0.01);
            Assert.Equal((scaled - mean[channel]) / deviation[channel], pixelValues[i]);
        }
    }

    [Theory]
    [InlineData("""{ "do_resize": false, "do_center_crop": false, "do_normalize": false, "do_rescale": false }""", 0, 0, 50, 40)]
    [InlineData("""{ "do_resize": false, "do_normalize": false, "do_rescale": false, "crop_size": { "height": 11, "width": 20 } }""",
        15, 14, 20, 11)]
    public void Without_resize_the_bytes_themselves_come_out(string json, int left, int top, int width, int height)
    {
        ImageProcessor processor = Processor(json);
        Assert.Equal((height, width), processor.OutputSize(Picture));
        float[] pixelValues = new float[3 * width * height];
        processor.Process(Picture, pixelValues);
        for (int i = 0; i < pixelValues.Length; i++)
        {
            int channel = i / (width * height), y = top + i % (width * height) / width, x = left + i % width;
            Assert.Equal(Picture.Pixels.Span[3 * (y * Picture.Width + x) + channel], pixelValues[i]);
        }
    }

    [Fact]
    public void The_steady_state_allocates_nothing()
    {
        ImageProcessor processor = new(ImageRecipe.MetaKnn(64));
        float[] pixelValues = new float[3 * 64 * 64];
        SteadyState.AllocatesNothing(runs: 10, () => processor.Process(Picture, pixelValues));
    }

    [Fact]
    public void Threads_do_not_disturb_each_other()
    {
        ImageProcessor processor = new(ImageRecipe.Hf(48, 64));
        RgbImage[] pictures = [.. Enumerable.Range(20, 12).Select(size => MakePicture(size, 70 - size))];
        float[][] expected = [.. pictures.Select(Run)];
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
            Assert.Equal(expected[i % 12], Run(pictures[i % 12])));

        float[] Run(RgbImage picture)
        {
            float[] pixelValues = new float[3 * 48 * 64];
            processor.Process(picture, pixelValues);
            return pixelValues;
        }
    }

    [Fact]
    public void A_model_that_does_not_take_three_channels_is_refused()
    {
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() =>
            new ImageProcessor(ImageRecipe.Hf(64, 64), modelChannels: 1));
        Assert.Contains("num_channels", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Results_of_a_wrong_length_are_refused()
    {
        ImageProcessor processor = new(ImageRecipe.Hf(16, 16));
        Assert.Throws<ArgumentException>("pixelValues", () => processor.Process(Picture, new float[3 * 16 * 16 - 1]));
        Assert.Throws<ArgumentException>("rgb", () => processor.Resize(Picture, new byte[3 * 16 * 16 + 1]));
    }

    private static ImageProcessor Processor(string json) =>
        new(ImageRecipe.Parse(Encoding.UTF8.GetBytes(json), ImageRecipe.ConfigFileName));

    private static RgbImage MakePicture(int width, int height)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(width).NextBytes(pixels);
        return new RgbImage(width, height, pixels);
    }
}
