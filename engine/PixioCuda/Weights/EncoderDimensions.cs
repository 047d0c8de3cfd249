namespace PixioCuda.Weights;

/// <summary>What the shapes of an encoder's tensors depend on.</summary>
internal sealed record EncoderDimensions
{
    /// <summary>The width d of a token.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>The number of blocks.</summary>
    public required int LayerCount { get; init; }

    /// <summary>The width of the MLP's inner layer over <see cref="HiddenSize"/>.</summary>
    public required double MlpRatio { get; init; }

    /// <summary>The height of a patch in pixels.</summary>
    public required int PatchHeight { get; init; }

    /// <summary>The width of a patch in pixels.</summary>
    public required int PatchWidth { get; init; }

    /// <summary>The channels of a picture.</summary>
    public required int ChannelCount { get; init; }

    /// <summary>The class tokens before the patches.</summary>
    public required int ClassTokenCount { get; init; }

    /// <summary>The stored position embeddings: class tokens and the patches of the configured image size.</summary>
    public required int PositionCount { get; init; }

    /// <summary>Whether query, key and value have biases.</summary>
    public required bool QkvBias { get; init; }

    /// <summary>The width of the MLP's inner layer; a fraction is cut off, as the model's code does it.</summary>
    public int MlpSize => checked((int)(HiddenSize * MlpRatio));

    /// <summary>The dimensions of a config.</summary>
    public static EncoderDimensions Of(PixioConfig config) => new()
    {
        HiddenSize = config.HiddenSize,
        LayerCount = config.HiddenLayers,
        MlpRatio = config.MlpRatio,
        PatchHeight = config.PatchSize.Height,
        PatchWidth = config.PatchSize.Width,
        ChannelCount = config.Channels,
        ClassTokenCount = config.ClassTokens,
        PositionCount = config.PositionCount,
        QkvBias = config.QkvBias,
    };
}
