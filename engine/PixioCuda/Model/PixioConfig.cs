using System.Globalization;

namespace PixioCuda;

/// <summary>The dimensions of a Pixio encoder, in the names of transformers' <c>PixioConfig</c>. Immutable; valid when
/// <see cref="Validate"/> returns nothing, and everything in this library that takes a config checks that first.</summary>
/// <remarks>Source: arXiv 2512.15715 and <c>config.json</c> of the published checkpoints. Dropout and initialisation settings
/// have no meaning at inference and are not kept.</remarks>
public sealed record PixioConfig
{
    /// <summary>d, the width of a token (<c>hidden_size</c>).</summary>
    public int HiddenSize { get; init; } = 1280;

    /// <summary>L, the number of transformer blocks (<c>num_hidden_layers</c>).</summary>
    public int HiddenLayers { get; init; } = 32;

    /// <summary>h, the number of attention heads of a block (<c>num_attention_heads</c>).</summary>
    public int AttentionHeads { get; init; } = 16;

    /// <summary>The width of the MLP's hidden layer over <see cref="HiddenSize"/> (<c>mlp_ratio</c>).</summary>
    public double MlpRatio { get; init; } = 4;

    /// <summary>The term added to the variance in every LayerNorm (<c>layer_norm_eps</c>).</summary>
    public float LayerNormEps { get; init; } = 1e-6f;

    /// <summary>The picture size that the stored position embeddings belong to (<c>image_size</c>).</summary>
    public ImageSize ImageSize { get; init; } = 256;

    /// <summary>The size of a patch in pixels (<c>patch_size</c>).</summary>
    public ImageSize PatchSize { get; init; } = 16;

    /// <summary>C, the channels of a picture (<c>num_channels</c>).</summary>
    public int Channels { get; init; } = 3;

    /// <summary>n, the number of class tokens before the patches (<c>n_cls_tokens</c>).</summary>
    public int ClassTokens { get; init; } = 8;

    /// <summary>Whether the query, key and value projections add a bias (<c>qkv_bias</c>).</summary>
    public bool QkvBias { get; init; } = true;

    /// <summary>Whether feature maps pass through the final LayerNorm by default (<c>apply_layernorm</c>).</summary>
    public bool ApplyLayerNorm { get; init; } = true;

    /// <summary>Whether feature maps are [B, d, H/p, W/p] without class tokens by default (<c>reshape_hidden_states</c>).</summary>
    public bool ReshapeHiddenStates { get; init; } = true;

    /// <summary>The stages whose feature maps a backbone returns by default, ascending; 0 is the stem
    /// (<c>out_indices</c> or <c>out_features</c>). Empty means the last stage.</summary>
    public IReadOnlyList<int> OutIndices { get; init; } = [];

    /// <summary>The width of a head, d / h.</summary>
    public int HeadSize => HiddenSize / AttentionHeads;

    /// <summary>The width of the MLP's hidden layer, m.</summary>
    public int MlpSize => (int)(HiddenSize * MlpRatio);

    /// <summary>The grid of patches that the stored position embeddings belong to.</summary>
    public ImageSize PositionGrid => GridOf(ImageSize);

    /// <summary>The number of stored position embeddings: class tokens, then patches.</summary>
    public int PositionCount => checked(ClassTokens + (int)PositionGrid.Area);

    /// <summary>The number of inputs of the patch projection: C * p * p.</summary>
    public int PatchElements => checked(Channels * (int)PatchSize.Area);

    /// <summary>The number of weights of the encoder.</summary>
    public long ParameterCount
    {
        get
        {
            long d = HiddenSize, m = MlpSize;
            long attention = (4 * d * d) + d + (QkvBias ? 3 * d : 0);
            long mlp = (2 * d * m) + m + d;
            long block = attention + mlp + (4 * d);
            return (d * PatchElements) + d + (d * ClassTokens) + (d * PositionCount) + (HiddenLayers * block) + (2 * d);
        }
    }

    /// <summary>The grid of patches of a picture whose sides are multiples of the patch size.</summary>
    /// <exception cref="ArgumentException">A side is not a positive multiple; the message names the nearest valid sizes.</exception>
    public ImageSize GridFor(ImageSize pictureSize)
    {
        if (IsMultiple(pictureSize.Height, PatchSize.Height) && IsMultiple(pictureSize.Width, PatchSize.Width))
            return GridOf(pictureSize);

        ImageSize smaller = new(RoundDown(pictureSize.Height, PatchSize.Height), RoundDown(pictureSize.Width, PatchSize.Width));
        ImageSize larger = new(RoundUp(pictureSize.Height, PatchSize.Height), RoundUp(pictureSize.Width, PatchSize.Width));
        string nearest = smaller == larger ? $"{larger}" : $"{smaller} and {larger}";
        throw new ArgumentException(
            $"A picture of {pictureSize} (height x width) cannot be cut into patches of {PatchSize}: both sides must be positive "
            + $"multiples of the patch size. The nearest valid sizes are {nearest}.", nameof(pictureSize));
    }

    /// <summary>Floating-point operations (2 per multiply-add) of the matrix products of one forward pass of one picture.</summary>
    /// <param name="pictureSize">The picture's size in pixels, multiples of the patch size.</param>
    public double FlopsPerImage(ImageSize pictureSize)
    {
        double patches = GridFor(pictureSize).Area, tokens = patches + ClassTokens;
        double d = HiddenSize, m = MlpSize;
        double linear = 2 * tokens * d * ((4 * d) + (2 * m));
        double attention = 4 * tokens * tokens * d;
        return (2 * patches * d * PatchElements) + (HiddenLayers * (linear + attention));
    }

    /// <summary>One whole sentence for every constraint that this config violates; empty when it is valid.</summary>
    public IReadOnlyList<string> Validate()
    {
        List<string> violations = [];
        RequireRange("hidden_size", HiddenSize, 1 << 16);
        RequireRange("num_hidden_layers", HiddenLayers, 1 << 10);
        RequireRange("num_attention_heads", AttentionHeads, 1 << 12);
        RequireRange("num_channels", Channels, 1 << 10);
        RequireRange("n_cls_tokens", ClassTokens, 1 << 12);
        RequireSize("image_size", ImageSize, 1 << 15);
        RequireSize("patch_size", PatchSize, 1 << 10);

        Require(HiddenSize <= 0 || AttentionHeads <= 0 || HiddenSize % AttentionHeads == 0,
            $"hidden_size {HiddenSize} must be a multiple of num_attention_heads {AttentionHeads}, so that every head has the same width.");
        Require(double.IsFinite(MlpRatio) && MlpRatio is > 0 and <= 64,
            string.Create(CultureInfo.InvariantCulture, $"mlp_ratio must be above 0 and at most 64, but is {MlpRatio}."));
        Require(HiddenSize <= 0 || !(MlpRatio > 0) || HiddenSize * MlpRatio >= 1,
            string.Create(CultureInfo.InvariantCulture, $"hidden_size {HiddenSize} times mlp_ratio {MlpRatio} must give at least one unit."));
        Require(float.IsFinite(LayerNormEps) && LayerNormEps > 0,
            string.Create(CultureInfo.InvariantCulture, $"layer_norm_eps must be a positive number, but is {LayerNormEps}."));
        Require(PatchSize.Height <= 0 || PatchSize.Width <= 0 || ImageSize.Height <= 0 || ImageSize.Width <= 0
            || (IsMultiple(ImageSize.Height, PatchSize.Height) && IsMultiple(ImageSize.Width, PatchSize.Width)),
            $"image_size {ImageSize} must be a multiple of patch_size {PatchSize} in both directions.");
        foreach (int index in OutIndices)
            Require(index >= 0 && index <= HiddenLayers, $"out_indices holds {index}, but the stages of this model are 0 to {HiddenLayers}.");
        Require(OutIndices.Zip(OutIndices.Skip(1)).All(pair => pair.First < pair.Second),
            $"out_indices [{string.Join(", ", OutIndices)}] must be ascending and without repeats.");
        return violations;

        void Require(bool condition, string sentence)
        {
            if (!condition)
                violations.Add(sentence);
        }

        void RequireRange(string name, int value, int limit) =>
            Require(value >= 1 && value <= limit, $"{name} must be between 1 and {limit}, but is {value}.");

        void RequireSize(string name, ImageSize size, int limit) =>
            Require(size.Height >= 1 && size.Height <= limit && size.Width >= 1 && size.Width <= limit,
                $"{name} must be between 1 and {limit} in both directions, but is {size}.");
    }

    /// <summary>Throws when the config is not valid; the message holds a sentence for every violated constraint.</summary>
    /// <param name="source">What to call the config in the message: a path or a preset.</param>
    /// <exception cref="ModelFormatException">The config violates a constraint.</exception>
    public void ThrowIfInvalid(string source)
    {
        IReadOnlyList<string> violations = Validate();
        if (violations.Count > 0)
            throw new ModelFormatException($"{source} does not describe a Pixio encoder. {string.Join(" ", violations)}");
    }

    /// <summary>Compares by value, <see cref="OutIndices"/> element by element.</summary>
    public bool Equals(PixioConfig? other) =>
        other is not null
        && HiddenSize == other.HiddenSize && HiddenLayers == other.HiddenLayers && AttentionHeads == other.AttentionHeads
        && MlpRatio.Equals(other.MlpRatio) && LayerNormEps.Equals(other.LayerNormEps)
        && ImageSize == other.ImageSize && PatchSize == other.PatchSize && Channels == other.Channels
        && ClassTokens == other.ClassTokens && QkvBias == other.QkvBias
        && ApplyLayerNorm == other.ApplyLayerNorm && ReshapeHiddenStates == other.ReshapeHiddenStates
        && OutIndices.SequenceEqual(other.OutIndices);

    /// <inheritdoc/>
    public override int GetHashCode() =>
        HashCode.Combine(HiddenSize, HiddenLayers, AttentionHeads, MlpRatio, ImageSize, PatchSize, Channels, ClassTokens);

    private ImageSize GridOf(ImageSize pictureSize) => new(pictureSize.Height / PatchSize.Height, pictureSize.Width / PatchSize.Width);

    private static bool IsMultiple(int side, int patch) => side > 0 && side % patch == 0;

    private static int RoundDown(int side, int patch) => Math.Max(side / patch, 1) * patch;

    private static int RoundUp(int side, int patch) => Math.Max((int)(((long)side + patch - 1) / patch), 1) * patch;
}
