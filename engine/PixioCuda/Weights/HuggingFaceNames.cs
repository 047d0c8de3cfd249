namespace PixioCuda.Weights;

/// <summary>The encoder's tensors by their names in a Hugging Face checkpoint. These are the names that the rest of the engine
/// uses.</summary>
internal static class HuggingFaceNames
{
    public const string ClsToken = "embeddings.cls_token";
    public const string PositionEmbeddings = "embeddings.position_embeddings";
    public const string PatchWeight = "embeddings.patch_embeddings.projection.weight";
    public const string PatchBias = "embeddings.patch_embeddings.projection.bias";
    public const string LayerNormWeight = "layernorm.weight";
    public const string LayerNormBias = "layernorm.bias";

    // What follows "encoder.layer.{i}.".
    public const string Norm1Weight = "norm1.weight";
    public const string Norm1Bias = "norm1.bias";
    public const string QueryWeight = "attention.attention.query.weight";
    public const string QueryBias = "attention.attention.query.bias";
    public const string KeyWeight = "attention.attention.key.weight";
    public const string KeyBias = "attention.attention.key.bias";
    public const string ValueWeight = "attention.attention.value.weight";
    public const string ValueBias = "attention.attention.value.bias";
    public const string ProjWeight = "attention.output.dense.weight";
    public const string ProjBias = "attention.output.dense.bias";
    public const string Norm2Weight = "norm2.weight";
    public const string Norm2Bias = "norm2.bias";
    public const string Fc1Weight = "mlp.fc1.weight";
    public const string Fc1Bias = "mlp.fc1.bias";
    public const string Fc2Weight = "mlp.fc2.weight";
    public const string Fc2Bias = "mlp.fc2.bias";

    /// <summary>What a block's names begin with, before the number of the block.</summary>
    public const string LayerPrefix = "encoder.layer.";

    // What newer conversions write for LayerPrefix.
    private const string ShortLayerPrefix = "layers.";

    /// <summary>The full name of a block's tensor.</summary>
    /// <param name="layer">The block, from 0.</param>
    /// <param name="name">One of the names above, such as <see cref="QueryWeight"/>.</param>
    public static string Layer(int layer, string name) => $"{LayerPrefix}{layer}.{name}";

    /// <summary>The part of a name after "encoder.layer.{i}.", or the whole name where it is not a block's.</summary>
    public static ReadOnlySpan<char> WithoutLayer(string name)
    {
        if (!name.StartsWith(LayerPrefix, StringComparison.Ordinal))
            return name;
        int dot = name.IndexOf('.', LayerPrefix.Length);
        return dot < 0 ? name : name.AsSpan(dot + 1);
    }

    /// <summary>A stored name (without a model's prefix) in the spelling used here.</summary>
    public static string Canonical(ReadOnlySpan<char> name) => name.StartsWith(ShortLayerPrefix, StringComparison.Ordinal)
        ? string.Concat(LayerPrefix, name[ShortLayerPrefix.Length..])
        : name.ToString();

    /// <summary>Every tensor of an encoder, in the order in which a forward pass takes them, typed F32.</summary>
    public static IReadOnlyList<TensorInfo> EncoderTensors(PixioConfig config)
    {
        long hidden = config.HiddenSize;
        long mlp = config.MlpSize;
        List<TensorInfo> tensors = [];
        Add(ClsToken, 1, config.ClassTokens, hidden);
        Add(PositionEmbeddings, 1, config.PositionCount, hidden);
        Add(PatchWeight, hidden, config.Channels, config.PatchSize.Height, config.PatchSize.Width);
        Add(PatchBias, hidden);
        for (int i = 0; i < config.HiddenLayers; i++)
            AddLayer(i);
        Add(LayerNormWeight, hidden);
        Add(LayerNormBias, hidden);
        return tensors;

        void Add(string name, params ReadOnlySpan<long> shape) => tensors.Add(new TensorInfo(name, DType.F32, shape.ToArray()));

        void AddLayer(int layer)
        {
            Add(Layer(layer, Norm1Weight), hidden);
            Add(Layer(layer, Norm1Bias), hidden);
            AddProjection(layer, QueryWeight, QueryBias);
            AddProjection(layer, KeyWeight, KeyBias);
            AddProjection(layer, ValueWeight, ValueBias);
            Add(Layer(layer, ProjWeight), hidden, hidden);
            Add(Layer(layer, ProjBias), hidden);
            Add(Layer(layer, Norm2Weight), hidden);
            Add(Layer(layer, Norm2Bias), hidden);
            Add(Layer(layer, Fc1Weight), mlp, hidden);
            Add(Layer(layer, Fc1Bias), mlp);
            Add(Layer(layer, Fc2Weight), hidden, mlp);
            Add(Layer(layer, Fc2Bias), hidden);
        }

        void AddProjection(int layer, string weight, string bias)
        {
            Add(Layer(layer, weight), hidden, hidden);
            if (config.QkvBias)
                Add(Layer(layer, bias), hidden);
        }
    }
}
