using System.Text.Json;
using PixioCuda.Cli.Commands;
using PixioCuda.Imaging;
using PixioCuda.Skia;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

public class ShowCommandTests
{
    [Fact]
    public void The_picture_as_the_model_sees_it_lies_beside_squares_of_features()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("features.png");
        PixioRun run = PixioRun.Of(
            "show", CliData.Cat, "-m", CliData.Model, "--resize", "96x160", "--upsample", "nearest", "-o", output, "--json", "-q");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        Assert.Equal([6f, 10f], CliData.Floats(json.RootElement.GetProperty("patches")));
        Assert.Equal("stage3", json.RootElement.GetProperty("stage").GetString());

        RgbImage shown = new SkiaImageDecoder().Decode(File.ReadAllBytes(output), output);
        Assert.True(shown.Width > 2 * 160 && shown.Height > 96);
        using PixioModel model = CliData.Load(new ImageSize(96, 160));
        byte[] seen = new byte[3 * 96 * 160];
        new ImageProcessor(model.Recipe).Resize(model.Decode(CliData.Cat), seen);
        int featuresLeft = shown.Width - 160;
        HashSet<(byte, byte, byte)> colours = [];
        for (int y = 0; y < 96; y++)
        {
            Assert.Equal(seen[(3 * 160 * y)..(3 * 160 * (y + 1))], Row(shown, y, 0, 160).ToArray());
            for (int x = 0; x < 160; x++)
            {
                ReadOnlySpan<byte> pixel = Row(shown, y, featuresLeft + x, 1);
                ReadOnlySpan<byte> corner = Row(shown, y / 16 * 16, featuresLeft + (x / 16 * 16), 1);
                Assert.True(pixel.SequenceEqual(corner), $"Pixel {y}, {x} differs from the rest of its patch.");
                colours.Add((pixel[0], pixel[1], pixel[2]));
            }
        }

        Assert.True(colours.Count > 30, $"60 patches have only {colours.Count} colours.");
        Assert.Contains(Enumerable.Range(97, shown.Height - 97), y => Row(shown, y, 0, shown.Width).IndexOfAnyExcept((byte)255) >= 0);
    }

    [Fact]
    public void The_same_picture_gives_the_same_file()
    {
        using TemporaryFolder folder = new();
        string first = folder.File("1.png"), second = folder.File("2.png");
        Assert.Equal(0, PixioRun.Of("show", CliData.Rocket, "-m", CliData.Model, "--resize", "64x96", "-o", first).ExitCode);
        Assert.Equal(0,
            PixioRun.Of("show", CliData.Rocket, "-m", CliData.Model, "--resize", "64x96", "-o", second, "--threads", "1").ExitCode);
        Assert.Equal(File.ReadAllBytes(first), File.ReadAllBytes(second));
    }

    [Theory]
    [InlineData(300, 451, 16, 448, 672)]
    [InlineData(512, 512, 16, 448, 448)]
    [InlineData(1, 700, 16, 16, 1344)]
    [InlineData(700, 1, 14, 1344, 14)]
    [InlineData(1, 1, 16, 448, 448)]
    public void Sizes_keep_proportions_in_whole_patches(int height, int width, int patch, int shownHeight, int shownWidth) =>
        Assert.Equal(new ImageSize(shownHeight, shownWidth),
            ShowCommand.SizeFor(new RgbImage(width, height, new byte[3 * height * width]), patch));

    [Fact]
    public void A_stage_that_is_not_there_is_told_before_the_model_is_loaded()
    {
        PixioRun run = PixioRun.Of(
            "show", CliData.Cat, "-m", "random:vit5b16", "--stage", "49", "--resize", "64x64", "-o", "never-written.png");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("0 (stem) to 48", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    private static ReadOnlySpan<byte> Row(RgbImage image, int y, int x, int count) =>
        image.Pixels.Span.Slice(3 * ((y * image.Width) + x), 3 * count);
}
