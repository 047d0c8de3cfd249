using PixioCuda.Cli.Show;
using PixioCuda.Imaging;
using PixioCuda.Skia;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

public sealed class PictureViewsTests : IDisposable
{
    private static readonly ImageSize Size = new(64, 96);

    private readonly PixioModel _model = CliData.Load(Size);
    private readonly ShownPicture _cat = Shown(CliData.Cat, Size);
    private readonly ShownPicture _rocket = Shown(CliData.Rocket, new ImageSize(96, 64));

    private static CancellationToken TestEnd => TestContext.Current.CancellationToken;

    public void Dispose() => _model.Dispose();

    [Fact]
    public void Pictures_of_a_set_are_coloured_by_one_basis()
    {
        IReadOnlyList<Tile> tiles = Views(_cat, _rocket, _cat).PrincipalComponents(stage: 3);
        Assert.Equal(["cat.png", "PCA", "rocket.jpg", "PCA", "cat.png", "PCA"], tiles.Select(tile => tile.Label));
        Assert.Equal(tiles[1].Picture.Pixels.ToArray(), tiles[5].Picture.Pixels.ToArray());

        // The colours of all patches together, each patch in its place.
        float[] features = [.. Patches(_cat, 3), .. Patches(_rocket, 3), .. Patches(_cat, 3)];
        double[] colours = FeaturePicture.Colours(features, 64);
        AssertPatches(tiles[1].Picture, colours.AsSpan(0, 3 * 24));
        AssertPatches(tiles[3].Picture, colours.AsSpan(3 * 24, 3 * 24));
        // Alone, a picture has colours of its own.
        Assert.NotEqual(Views(_cat).PrincipalComponents(stage: 3)[1].Picture.Pixels.ToArray(), tiles[1].Picture.Pixels.ToArray());
    }

    [Fact]
    public void Every_class_token_has_a_map_of_what_it_looks_at()
    {
        IReadOnlyList<Tile> tiles = Views(_cat).Attention(layer: 1);
        Assert.Equal(1 + 8, tiles.Count);
        EncoderOutputs outputs = _model.Run([_cat.Image], new EncoderTaps { Attentions = [new AttentionTap(1)] }, TestEnd);
        float[] probabilities = outputs.Values.ToArray();
        int heads = _model.Config.AttentionHeads;
        const int tokens = 8 + 24;
        for (int token = 0; token < 8; token++)
        {
            double[] mean = [.. Enumerable.Range(0, 24).Select(patch => Enumerable.Range(0, heads).Average(head =>
                (double)probabilities[(((head * tokens) + token) * tokens) + 8 + patch]))];
            AssertBrightnessFollows(tiles[1 + token].Picture, mean);
            Assert.Equal($"cls {token}: {100 * mean.Sum():F0}% on patches", tiles[1 + token].Label);
        }
    }

    [Fact]
    public void Patches_are_as_bright_as_they_are_like_the_chosen_one()
    {
        IReadOnlyList<Tile> tiles = Views(_cat, _rocket).Similarity(stage: 2, (Row: 1, Column: 4));
        float[] chosen = Patches(_cat, 2)[(((1 * 6) + 4) * 64)..(((1 * 6) + 5) * 64)];
        foreach ((ShownPicture picture, RgbImage map) in new[] { (_cat, tiles[1].Picture), (_rocket, tiles[3].Picture) })
        {
            float[] features = Patches(picture, 2);
            AssertBrightnessFollows(map, [.. Enumerable.Range(0, 24).Select(patch => Cosine(chosen,
                features[(patch * 64)..((patch + 1) * 64)]))]);
        }

        Assert.Equal([255, 255, 255], Pixel(tiles[1].Picture, 16, 64));
        // The frame is around that patch and nowhere else.
        RgbImage framed = tiles[0].Picture, plain = _cat.Resized(_model);
        int[] changed = [.. Enumerable.Range(0, 64 * 96).Where(i => !framed.Pixels.Span.Slice(3 * i,
            3).SequenceEqual(plain.Pixels.Span.Slice(3 * i, 3)))];
        Assert.InRange(changed.Length, 60, (4 * 15) + (4 * 13));
        Assert.All(changed, i => Assert.True(i / 96 is >= 16 and < 32 && i % 96 is >= 64 and < 80));
        Assert.Throws<PixioCuda.Cli.UsageException>(() => Views(_cat).Similarity(stage: 2, (Row: 4, Column: 0)));
    }

    [Fact]
    public void A_montage_has_every_tile_with_ink_under_it()
    {
        RgbImage grey = new(40, 30, Enumerable.Repeat((byte)128, 3 * 40 * 30).ToArray());
        RgbImage wide = new(70, 20, Enumerable.Repeat((byte)64, 3 * 70 * 20).ToArray());
        RgbImage image = Montage.Compose([new(grey, "first"), new(wide, "2"), new(grey, "a name that is much too long for it.png")], 2,
            ["caption"]);
        Assert.Equal([128, 128, 128], Pixel(image, 29, 39));
        Assert.Equal([64, 64, 64], Pixel(image, 0, 40 + 8));
        const int secondRow = 30 + 6 + 19 + 8;
        Assert.Equal([128, 128, 128], Pixel(image, secondRow, 0));
        foreach ((int top, int left, int width) in new[] { (36, 0, 40), (36, 48, 70), (secondRow + 36, 0, 40), (secondRow + 63, 0, 100) })
        {
            int ink = Enumerable.Range(top, 19).Sum(y => Enumerable.Range(left, width).Count(x => Pixel(image, y, x)[0] < 100));
            Assert.True(ink > 10, $"There are {ink} pixels of ink below {top}, {left}.");
        }
    }

    [Theory]
    [InlineData("--view attention --layer 2", 9)]
    [InlineData("--view similarity --patch 0,1", 2)]
    [InlineData("--view similarity", 2)]
    [InlineData("--stage 1", 2)]
    public void The_command_draws_each_view_of_several_pictures(string options, int columns)
    {
        using TemporaryFolder folder = new();
        string output = folder.File("views.png");
        PixioRun run = PixioRun.Of(
            ["show", CliData.Cat, CliData.Rocket, "-m", CliData.Model, "--resize", "64x96", .. options.Split(' '), "-o", output, "-q"]);
        Assert.Equal(0, run.ExitCode);
        RgbImage shown = new SkiaImageDecoder().Decode(File.ReadAllBytes(output), output);
        Assert.InRange(shown.Width, (columns * 96) + (8 * (columns - 1)), Math.Max((columns * 96) + (8 * (columns - 1)), 800));
        Assert.True(shown.Height > 2 * 64);
    }

    private PictureViews Views(params ShownPicture[] pictures) => new(_model, pictures, smooth: false, TestEnd);

    private static float[] Patches(ShownPicture picture, int stage)
    {
        using PixioModel model = CliData.Load(picture.Size);
        EncoderOutputs outputs = model.Run([picture.Image], new EncoderTaps { FeatureMaps = [new FeatureMapTap(stage, true, false)] },
            TestEnd);
        return outputs.Values[(8 * 64)..].ToArray();
    }

    private static ShownPicture Shown(string path, ImageSize size) => new(path, new SkiaImageDecoder().Decode(File.ReadAllBytes(path),
        path), size);

    private static double Cosine(float[] left, float[] right) =>
        left.Zip(right, (a, b) => (double)a * b).Sum() / Math.Sqrt(left.Sum(a => (double)a * a) * right.Sum(b => (double)b * b));

    private static byte[] Pixel(RgbImage image, int y, int x) => image.Pixels.Slice(3 * ((y * image.Width) + x), 3).ToArray();

    private static void AssertPatches(RgbImage image, ReadOnlySpan<double> colours)
    {
        int columns = image.Width / 16;
        for (int patch = 0; patch < colours.Length / 3; patch++)
        {
            byte[] expected = [.. colours.Slice(3 * patch, 3).ToArray().Select(value => (byte)Math.Round(value))];
            Assert.Equal(expected, Pixel(image, patch / columns * 16, patch % columns * 16));
            Assert.Equal(expected, Pixel(image, (patch / columns * 16) + 15, (patch % columns * 16) + 15));
        }
    }

    /// <summary>A patch with a larger number is never darker, and the map is not of one colour.</summary>
    private static void AssertBrightnessFollows(RgbImage map, double[] values)
    {
        int columns = map.Width / 16;
        int[] brightness = [.. values.Select((_, patch) => Pixel(map, patch / columns * 16, patch % columns * 16).Sum(channel => channel))];
        int[] order = [.. Enumerable.Range(0, values.Length).OrderBy(patch => values[patch])];
        for (int i = 1; i < order.Length; i++)
            Assert.True(brightness[order[i]] >= brightness[order[i - 1]],
                $"Patch {order[i]} is darker than {order[i - 1]}, whose number is smaller.");
        Assert.True(brightness.Distinct().Count() > 8);
    }
}
