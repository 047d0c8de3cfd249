namespace PixioCuda.Weights;

/// <summary>The mean and standard deviation of a synthetic tensor's values, chosen so that activations stay of order one through any
/// depth.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="Std">The standard deviation.</param>
internal readonly record struct SyntheticDistribution(double Mean, double Std)
{
    /// <summary>The distribution of an encoder's tensor.</summary>
    /// <param name="name">The tensor's Hugging Face name.</param>
    /// <param name="config">The encoder's dimensions: weights scale with the width that they sum over.</param>
    /// <exception cref="ArgumentException">The encoder has no tensor of that name.</exception>
    public static SyntheticDistribution Of(string name, PixioConfig config)
    {
        double hidden = config.HiddenSize;
        double mlp = config.MlpRatio * config.HiddenSize;
        double patch = config.PatchElements;
        return HuggingFaceNames.WithoutLayer(name) switch
        {
            HuggingFaceNames.ClsToken or HuggingFaceNames.PositionEmbeddings => new(0, 0.5),
            HuggingFaceNames.PatchWeight => new(0, Math.Sqrt(1 / patch)),
            HuggingFaceNames.PatchBias => new(0, 0.05),
            HuggingFaceNames.Norm1Weight or HuggingFaceNames.Norm2Weight or HuggingFaceNames.LayerNormWeight => new(1, 0.2),
            HuggingFaceNames.Norm1Bias or HuggingFaceNames.Norm2Bias or HuggingFaceNames.LayerNormBias => new(0, 0.1),
            HuggingFaceNames.QueryWeight or HuggingFaceNames.KeyWeight => new(0, Math.Sqrt(1.5 / hidden)),
            HuggingFaceNames.ValueWeight or HuggingFaceNames.Fc1Weight => new(0, Math.Sqrt(1 / hidden)),
            HuggingFaceNames.ProjWeight => new(0, 0.5 * Math.Sqrt(1 / hidden)),
            HuggingFaceNames.Fc2Weight => new(0, 0.7 * Math.Sqrt(1 / mlp)),
            HuggingFaceNames.QueryBias or HuggingFaceNames.KeyBias or HuggingFaceNames.ValueBias or HuggingFaceNames.ProjBias
                or HuggingFaceNames.Fc1Bias or HuggingFaceNames.Fc2Bias => new(0, 0.05),
            _ => throw new ArgumentException($"An encoder has no tensor {MessageText.Quote(name)}.", nameof(name)),
        };
    }
}
