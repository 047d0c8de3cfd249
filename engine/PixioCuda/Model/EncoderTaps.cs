namespace PixioCuda;

/// <summary>What a run is asked for. What is not asked for is neither computed nor kept: a run with only
/// <c>HiddenStates = [8]</c> ends after block 8. Shapes: B batch, n class tokens, P patches, d hidden size, h heads.</summary>
public sealed record EncoderTaps
{
    /// <summary><c>last_hidden_state</c> [B, n + P, d]: every token after the final LayerNorm, class tokens first.</summary>
    public bool LastHiddenState { get; init; }

    /// <summary><c>pooler_output</c> [B, d]: the mean of the normed class tokens.</summary>
    public bool PoolerOutput { get; init; }

    /// <summary><c>cls_raw_mean</c> [B, d]: the mean of the class tokens before the final LayerNorm.</summary>
    public bool ClsRawMean { get; init; }

    /// <summary><c>cls_concat</c> [B, n * d]: the normed class tokens end to end.</summary>
    public bool ClsConcat { get; init; }

    /// <summary><c>dense_2d</c> [B, P, 2 * d]: every normed patch, each with the mean normed class token appended.</summary>
    public bool Dense2d { get; init; }

    /// <summary><c>hidden_states.i</c> [B, n + P, d], never normed: 0 is what enters the first block, i what leaves block i.</summary>
    public IReadOnlyList<int> HiddenStates { get; init; } = [];

    /// <summary><c>attentions.i</c> [B, heads, n + P, n + P]: the softmax probabilities of chosen layers (0 to L - 1) and heads.</summary>
    public IReadOnlyList<AttentionTap> Attentions { get; init; } = [];

    /// <summary><c>feature_maps.stage</c>: what a backbone returns for chosen stages.</summary>
    public IReadOnlyList<FeatureMapTap> FeatureMaps { get; init; } = [];

    /// <summary>Only the output that an embedding of this kind needs.</summary>
    public static EncoderTaps For(EmbeddingKind kind) => kind switch
    {
        EmbeddingKind.Pooler => new() { PoolerOutput = true },
        EmbeddingKind.ClsRawMean => new() { ClsRawMean = true },
        EmbeddingKind.ClsConcat => new() { ClsConcat = true },
        EmbeddingKind.Dense2d => new() { Dense2d = true },
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "This is not one of the embedding kinds."),
    };

    /// <summary>Throws when a tap does not exist in a model of this config, is named twice, or when nothing is asked for.</summary>
    /// <exception cref="ArgumentException">The message names the tap and what the model has.</exception>
    internal void ThrowIfInvalid(PixioConfig config)
    {
        int layers = config.HiddenLayers;
        foreach (int index in HiddenStates)
            Require(index >= 0 && index <= layers, $"hidden_states.{index} does not exist: this model has hidden_states.0 to hidden_states.{layers}.");
        foreach (AttentionTap tap in Attentions)
        {
            Require(tap.Layer >= 0 && tap.Layer < layers, $"attentions.{tap.Layer} does not exist: this model has attentions.0 to attentions.{layers - 1}.");
            Require(tap.Heads is null || tap.Heads.Count > 0, $"attentions.{tap.Layer} is asked for with an empty list of heads.");
            foreach (int head in tap.Heads ?? [])
                Require(head >= 0 && head < config.AttentionHeads, $"Head {head} of attentions.{tap.Layer} does not exist: this model has heads 0 to {config.AttentionHeads - 1}.");
            RequireDistinct(tap.Heads ?? [], $"heads of attentions.{tap.Layer}");
        }

        foreach (FeatureMapTap tap in FeatureMaps)
            Require(tap.Stage >= 0 && tap.Stage <= layers, $"Stage {tap.Stage} does not exist: the stages of this model are 0 (stem) to {layers}.");
        RequireDistinct(HiddenStates, "hidden states");
        RequireDistinct([.. Attentions.Select(tap => tap.Layer)], "attentions");
        RequireDistinct([.. FeatureMaps.Select(tap => tap.Stage)], "feature maps");
        Require(LastHiddenState || PoolerOutput || ClsRawMean || ClsConcat || Dense2d
            || HiddenStates.Count + Attentions.Count + FeatureMaps.Count > 0,
            "Nothing is asked for: set at least one tap, for example PoolerOutput = true.");

        static void Require(bool condition, string sentence)
        {
            if (!condition)
                throw new ArgumentException(sentence);
        }

        static void RequireDistinct(IReadOnlyList<int> values, string what) =>
            Require(values.Count < 2 || values.Distinct().Count() == values.Count, $"The {what} [{string.Join(", ", values)}] name one twice.");
    }
}

/// <summary>The attention probabilities of one layer.</summary>
/// <param name="Layer">0 to L - 1.</param>
/// <param name="Heads">The heads to keep, in the order wanted; null keeps all of them.</param>
public sealed record AttentionTap(int Layer, IReadOnlyList<int>? Heads = null);

/// <summary>The feature map of one stage.</summary>
/// <param name="Stage">0 is the stem, k what leaves block k.</param>
/// <param name="ApplyLayerNorm">Whether the final LayerNorm is applied.</param>
/// <param name="Reshape">True for [B, d, H/p, W/p] without class tokens, false for [B, n + P, d] with them.</param>
public sealed record FeatureMapTap(int Stage, bool ApplyLayerNorm = true, bool Reshape = true);
