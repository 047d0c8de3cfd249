namespace PixioCuda;

/// <summary>What a <see cref="PixioBackbone"/> returns, in the words of transformers' <c>PixioBackbone</c>. What is null is taken
/// from the model's config.</summary>
public sealed record BackboneOptions
{
    /// <summary>Stage names ("stem", "stage8"), ascending. Set this or <see cref="OutIndices"/>, not both.</summary>
    public IReadOnlyList<string>? OutFeatures { get; init; }

    /// <summary>Stage numbers, ascending: 0 is the stem, k what leaves block k, -1 the last.</summary>
    public IReadOnlyList<int>? OutIndices { get; init; }

    /// <summary>Whether the final LayerNorm is applied to every map.</summary>
    public bool? ApplyLayerNorm { get; init; }

    /// <summary>True for maps [B, d, H/p, W/p] without class tokens, false for [B, n + P, d] with them.</summary>
    public bool? ReshapeHiddenStates { get; init; }

    /// <summary>The taps that these options mean for a config.</summary>
    /// <exception cref="ArgumentException">A stage does not exist, or the stages are not ascending.</exception>
    internal EncoderTaps Taps(PixioConfig config) => new()
    {
        FeatureMaps = [.. Stages(config).Select(stage => new FeatureMapTap(
            stage, ApplyLayerNorm ?? config.ApplyLayerNorm, ReshapeHiddenStates ?? config.ReshapeHiddenStates))],
    };

    private int[] Stages(PixioConfig config)
    {
        if (OutFeatures is not null && OutIndices is not null)
            throw new ArgumentException("Give the stages by OutFeatures or by OutIndices, not by both.");
        int[] stages = OutFeatures is not null ? [.. OutFeatures.Select(name => StageOf(name, config.HiddenLayers))]
            : OutIndices is not null ? [.. OutIndices.Select(index => StageOf(index, config.HiddenLayers))]
            : config.OutIndices.Count > 0 ? [.. config.OutIndices]
            : [config.HiddenLayers];
        if (stages.Length == 0)
            throw new ArgumentException("At least one stage must be asked for.");
        if (stages.Zip(stages.Skip(1)).Any(pair => pair.First >= pair.Second))
            throw new ArgumentException($"The stages {string.Join(", ", stages.Select(StageNames.NameOf))} must be ascending and without repeats.");
        return stages;
    }

    private static int StageOf(string name, int layers) =>
        StageNames.TryParse(name, layers, out int stage) ? stage : throw new ArgumentException(StageNames.Unknown(name, layers));

    private static int StageOf(int index, int layers)
    {
        int stage = index < 0 ? index + layers + 1 : index;
        return stage >= 0 && stage <= layers
            ? stage
            : throw new ArgumentException($"There is no stage {index}: the stages of this model are 0 (stem) to {layers}, or -1 for the last.");
    }
}
