using System.Globalization;
using PixioCuda.Cli.Output;
using PixioCuda.Imaging;

namespace PixioCuda.Cli.Show;

/// <summary>What can be seen of the features of one or several pictures.</summary>
/// <param name="model">Runs them.</param>
/// <param name="pictures">At least one.</param>
/// <param name="smooth">As <see cref="FeaturePicture.Enlarge"/>.</param>
/// <param name="cancellationToken">Looked at between the steps of a run.</param>
internal sealed class PictureViews(PixioModel model, IReadOnlyList<ShownPicture> pictures, bool smooth, CancellationToken cancellationToken)
{
    private int Width => model.Config.HiddenSize;

    /// <summary>Every picture beside its patch features in the colours of one basis: equal colours mean equal features, whichever pictures
    /// they are in.</summary>
    public IReadOnlyList<Tile> PrincipalComponents(int stage)
    {
        float[][] features = [.. pictures.Select(picture => Patches(picture, stage))];
        double[] colours = FeaturePicture.Colours(features.SelectMany(patches => patches).ToArray(), Width);
        List<Tile> tiles = [];
        int first = 0;
        foreach ((ShownPicture picture, float[] patches) in pictures.Zip(features))
        {
            int length = patches.Length / Width * PatchPca.Components;
            tiles.Add(new Tile(picture.Resized(model), Path.GetFileName(picture.Name)));
            tiles.Add(new Tile(Enlarge(picture, colours.AsSpan(first, length)), "PCA"));
            first += length;
        }

        return tiles;
    }

    /// <summary>Every picture beside what each class token looks at: the mean of the heads' probabilities for every patch, each map from
    /// 0 to its 99th percentile.</summary>
    public IReadOnlyList<Tile> Attention(int layer)
    {
        EncoderTaps taps = new() { Attentions = [new AttentionTap(layer)] };
        int classTokens = model.Config.ClassTokens, heads = model.Config.AttentionHeads;
        List<Tile> tiles = [];
        foreach (ShownPicture picture in pictures)
        {
            ReadOnlySpan<float> probabilities = picture.Run(model, taps, cancellationToken).Values;
            int patches = (int)model.Config.GridFor(picture.Size).Area, tokens = classTokens + patches;
            tiles.Add(new Tile(picture.Resized(model), Path.GetFileName(picture.Name)));
            for (int token = 0; token < classTokens; token++)
            {
                double[] map = new double[patches];
                for (int head = 0; head < heads; head++)
                {
                    // [heads, tokens, tokens]: this token's row, without the class tokens' columns.
                    ReadOnlySpan<float> row = probabilities.Slice(((((head * tokens) + token) * tokens) + classTokens), patches);
                    for (int patch = 0; patch < patches; patch++)
                        map[patch] += (double)row[patch] / heads;
                }

                double[] sorted = [.. map.Order()];
                double high = sorted[(int)Math.Round(0.99 * (patches - 1))];
                string share = (100 * map.Sum()).ToString("F0", CultureInfo.InvariantCulture);
                tiles.Add(new Tile(Enlarge(picture, HeatMap.Colours(map, 0, high)), $"cls {token}: {share}% on patches"));
            }
        }

        return tiles;
    }

    /// <summary>Every picture beside the cosine of its patches with one patch of the first picture, which is framed.</summary>
    public IReadOnlyList<Tile> Similarity(int stage, (int Row, int Column) chosen)
    {
        ImageSize grid = model.Config.GridFor(pictures[0].Size);
        if (chosen.Row >= grid.Height || chosen.Column >= grid.Width)
            throw new UsageException($"--patch {chosen.Row},{chosen.Column} does not exist: {pictures[0].Name} has {grid} patches, counted from 0,0.");
        float[]? reference = null;
        List<Tile> tiles = [];
        foreach (ShownPicture picture in pictures)
        {
            float[] features = Patches(picture, stage);
            bool isFirst = reference is null;
            reference ??= features.AsSpan(((chosen.Row * grid.Width) + chosen.Column) * Width, Width).ToArray();
            double[] cosines = new double[features.Length / Width];
            for (int patch = 0; patch < cosines.Length; patch++)
                cosines[patch] = Cosine(reference, features.AsSpan(patch * Width, Width));
            RgbImage resized = picture.Resized(model);
            tiles.Add(new Tile(isFirst ? Framed(resized, chosen) : resized, Path.GetFileName(picture.Name)));
            // One scale for all pictures: a picture without anything alike stays dark.
            tiles.Add(new Tile(
                Enlarge(picture, HeatMap.Colours(cosines, 0, 1)),
                string.Create(CultureInfo.InvariantCulture, $"cosine {cosines.Min():F2} to {cosines.Max():F2}")));
        }

        return tiles;
    }

    private float[] Patches(ShownPicture picture, int stage)
    {
        EncoderTaps taps = new() { FeatureMaps = [new FeatureMapTap(stage, ApplyLayerNorm: true, Reshape: false)] };
        return picture.Run(model, taps, cancellationToken).Values[(model.Config.ClassTokens * Width)..].ToArray();
    }

    private RgbImage Enlarge(ShownPicture picture, ReadOnlySpan<double> colours) =>
        FeaturePicture.Enlarge(colours, model.Config.GridFor(picture.Size), picture.Size, smooth);

    private static double Cosine(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        double product = 0;
        for (int i = 0; i < left.Length; i++)
            product += (double)left[i] * right[i];
        double norms = Vectors.Norm(left) * Vectors.Norm(right);
        return norms > 0 ? product / norms : 0;
    }

    /// <summary>The picture with a white and a black line around a patch, of which one shows on any ground.</summary>
    private RgbImage Framed(RgbImage picture, (int Row, int Column) patch)
    {
        ImageSize size = model.Config.PatchSize;
        byte[] pixels = picture.Pixels.ToArray();
        for (int inset = 0; inset < 2; inset++)
        {
            int top = (patch.Row * size.Height) + inset, left = (patch.Column * size.Width) + inset;
            int bottom = ((patch.Row + 1) * size.Height) - 1 - inset, right = ((patch.Column + 1) * size.Width) - 1 - inset;
            for (int y = top; y <= bottom; y++)
            {
                for (int x = left; x <= right; x++)
                {
                    if (y == top || y == bottom || x == left || x == right)
                        pixels.AsSpan(3 * ((y * picture.Width) + x), 3).Fill(inset == 0 ? (byte)255 : (byte)0);
                }
            }
        }

        return new RgbImage(picture.Width, picture.Height, pixels);
    }
}
