using PixioCuda.Imaging;
using Xunit;

namespace PixioCuda.Tests.Model;

/// <summary>Pixels that come as bytes on the CPU, and what is said where they do not fit.</summary>
public sealed class PixelFormatTests
{
    private static readonly EncoderTaps Taps = new() { LastHiddenState = true };

    [Theory]
    [InlineData("tiny", 48, 80)]
    [InlineData("tiny-hd80", 64, 64)]
    public void Bytes_give_the_bits_of_the_pixel_values_that_they_stand_for(string folder, int height, int width)
    {
        using PixioModel model = GoldenModels.Load(folder, new PixioModelOptions { Device = "cpu", Resize = new ImageSize(height, width) });
        RgbImage[] images = [Picture(1, 70, 90), Picture(2, height, width), Picture(3, 200, 33)];
        InputShape shape = new(images.Length, new ImageSize(height, width));
        EncoderOutputs expected = model.Run(images, Taps), actual = model.CreateOutputs(shape with { Pixels = PixelFormat.U8 }, Taps);
        byte[] bytes = new byte[actual.Plan.InputLength];
        int length = bytes.Length / images.Length;
        for (int i = 0; i < images.Length; i++)
            model.Preprocess(images[i], bytes.AsSpan(i * length, length));
        model.Run(bytes, actual);
        Assert.Equal(expected.Values, actual.Values);
    }

    [Fact]
    public void Patches_wider_than_a_stretch_of_bytes_are_unfolded_whole()
    {
        // A patch of 80 pixels goes in two stretches.
        PixioConfig config = Goldens.Folder("tiny").Config with { ImageSize = new ImageSize(80, 160), PatchSize = new ImageSize(16, 80) };
        using PixioModel model = PixioModel.Load(
            new OpenedModel(config, PixioCuda.Weights.SyntheticWeights.Create("random", config, 3), ProcessorConfigPath: null),
            new PixioModelOptions { Device = "cpu" });
        RgbImage picture = Picture(4, 80, 160);
        EncoderOutputs expected = model.Run([picture], Taps);
        EncoderOutputs actual = model.CreateOutputs(new InputShape(1, new ImageSize(80, 160)) { Pixels = PixelFormat.U8 }, Taps);
        model.Run(picture.Pixels.Span, actual);
        Assert.Equal(expected.Values, actual.Values);
    }

    [Fact]
    public void The_kind_of_pixels_has_to_be_that_of_the_plan()
    {
        using PixioModel model = GoldenModels.Load("tiny", new PixioModelOptions { Device = "cpu" });
        InputShape floats = new(1, 64), bytes = floats with { Pixels = PixelFormat.U8 };
        Assert.NotSame(model.CreateOutputs(floats, Taps).Plan, model.CreateOutputs(bytes, Taps).Plan);
        Assert.Contains("takes float32 pixel values, but bytes were given",
            Assert.Throws<ArgumentException>(() => model.Run(new byte[3 * 64 * 64], model.CreateOutputs(floats, Taps))).Message, StringComparison.Ordinal);
        Assert.Contains("takes bytes, but float32 pixel values were given",
            Assert.Throws<ArgumentException>(() => model.Run(new float[3 * 64 * 64], model.CreateOutputs(bytes, Taps))).Message, StringComparison.Ordinal);
        Assert.Contains("takes 12288 pixel values, but 7 were given",
            Assert.Throws<ArgumentException>(() => model.Run(new byte[7], model.CreateOutputs(bytes, Taps))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_of_other_channels_takes_no_bytes()
    {
        using PixioModel model = GoldenModels.Load("tiny-odd", new PixioModelOptions { Device = "cpu" });
        InputShape shape = new(1, model.Config.ImageSize) { Pixels = PixelFormat.U8 };
        Assert.Contains("this model takes 1", Assert.Throws<ArgumentException>(() => model.CreateOutputs(shape, Taps)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_warmup_makes_the_plan_that_runs_then_use()
    {
        using PixioModel model = GoldenModels.Load("tiny", new PixioModelOptions { Device = "cpu" });
        InputShape shape = new(1, 64) { Pixels = PixelFormat.U8 };
        model.Warmup(shape, Taps, cancellationToken: TestContext.Current.CancellationToken);
        EncoderPlan plan = model.CreateOutputs(shape, Taps).Plan;
        Assert.Same(plan, model.CreateOutputs(shape, Taps).Plan);
        using PixioModel other = GoldenModels.Load("tiny", new PixioModelOptions { Device = "cpu" });
        Assert.Throws<ArgumentException>(() => other.Warmup(plan, cancellationToken: TestContext.Current.CancellationToken));
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => model.Warmup(plan, cancellationToken: cancelled.Token));
    }

    private static RgbImage Picture(int seed, int height, int width)
    {
        byte[] pixels = new byte[3 * height * width];
        new Random(seed).NextBytes(pixels);
        return new RgbImage(width, height, pixels);
    }
}
