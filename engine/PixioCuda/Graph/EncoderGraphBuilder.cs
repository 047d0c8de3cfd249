namespace PixioCuda.Graph;

/// <summary>Writes the encoder down as ops, one for every step of the maths; nothing is fused or left out here except what depends
/// on the taps.</summary>
internal sealed class EncoderGraphBuilder
{
    private readonly PixioConfig _config;
    private readonly InputShape _shape;
    private readonly EncoderTaps _taps;
    private readonly ImageSize _grid;
    private readonly int _tokens;
    private readonly List<GraphTensor> _tensors = [];
    private readonly List<GraphOp> _ops = [];
    private readonly List<(string Name, GraphTensor Tensor)> _outputs = [];

    private EncoderGraphBuilder(PixioConfig config, InputShape shape, EncoderTaps taps)
    {
        taps.ThrowIfInvalid(config);
        ArgumentOutOfRangeException.ThrowIfLessThan(shape.Batch, 1, nameof(shape));
        _config = config;
        _shape = shape;
        _taps = taps;
        _grid = config.GridFor(shape.Size);
        long tokens = _grid.Area + config.ClassTokens;
        // Rows are counted in 32 bits by every kernel; the widest tensor of a row is the MLP's.
        if (tokens * shape.Batch > int.MaxValue / 2)
            throw new ArgumentException($"A batch of {shape} gives {tokens * shape.Batch} tokens, more than one run can hold. Use a smaller batch.", nameof(shape));
        _tokens = (int)tokens;
    }

    private int Batch => _shape.Batch;

    private int HiddenSize => _config.HiddenSize;

    public static EncoderGraph Build(PixioConfig config, InputShape shape, EncoderTaps taps) => new EncoderGraphBuilder(config, shape, taps).Build();

    private EncoderGraph Build()
    {
        GraphTensor pixels = Tensor("pixel_values", Batch, _config.Channels, _shape.Size.Height, _shape.Size.Width);
        pixels.Storage = TensorStorage.Input;
        GraphTensor[] hiddenStates = new GraphTensor[_config.HiddenLayers + 1];
        hiddenStates[0] = Tensor("embeddings", Batch, _tokens, HiddenSize);
        Add(new PatchEmbedOp(pixels, hiddenStates[0], _grid));
        for (int layer = 0; layer < _config.HiddenLayers; layer++)
            hiddenStates[layer + 1] = Block(layer, hiddenStates[layer]);

        Head(hiddenStates[^1]);
        foreach (int index in _taps.HiddenStates)
            Output($"hidden_states.{index}", hiddenStates[index]);
        foreach (FeatureMapTap tap in _taps.FeatureMaps)
            FeatureMap(tap, hiddenStates[tap.Stage]);
        return new EncoderGraph(_config, _shape, _taps, pixels, _tensors, _ops, PlaceOutputs());
    }

    private GraphTensor Block(int layer, GraphTensor x)
    {
        string prefix = $"layer.{layer}";
        AttentionTap? attentionTap = _taps.Attentions.FirstOrDefault(tap => tap.Layer == layer);
        // After the last attention tokens no longer mix: when only class tokens are read behind it, the patches end here.
        bool classTokensOnly = layer == _config.HiddenLayers - 1 && !PatchesOfLastBlockAreRead && attentionTap is null;
        int queryTokens = classTokensOnly ? _config.ClassTokens : _tokens;

        GraphTensor norm1 = LayerNorm($"{prefix}.norm1", x, new(WeightRole.Norm1Weight, layer), new(WeightRole.Norm1Bias, layer));
        GraphTensor qkv = Linear($"{prefix}.qkv", norm1, 3 * HiddenSize,
            new(WeightRole.QkvWeight, layer), _config.QkvBias ? new WeightKey(WeightRole.QkvBias, layer) : null);
        GraphTensor context = Tensor($"{prefix}.attention", Batch, queryTokens, HiddenSize);
        IReadOnlyList<int> heads = attentionTap?.Heads ?? [.. Enumerable.Range(0, _config.AttentionHeads)];
        GraphTensor? probabilities = attentionTap is null ? null : Tensor($"{prefix}.probabilities", Batch, heads.Count, _tokens, _tokens);
        Add(new AttentionOp(qkv, context, _config.AttentionHeads, queryTokens, probabilities, heads));
        if (probabilities is not null)
            Output($"attentions.{layer}", probabilities);

        if (classTokensOnly)
            x = SelectTokens($"{prefix}.cls_tokens", x, 0, queryTokens);
        GraphTensor proj = Linear($"{prefix}.proj", context, HiddenSize, new(WeightRole.ProjWeight, layer), new(WeightRole.ProjBias, layer));
        x = AddResidual($"{prefix}.attention_residual", proj, x);

        GraphTensor norm2 = LayerNorm($"{prefix}.norm2", x, new(WeightRole.Norm2Weight, layer), new(WeightRole.Norm2Bias, layer));
        GraphTensor fc1 = Linear($"{prefix}.fc1", norm2, _config.MlpSize, new(WeightRole.Fc1Weight, layer), new(WeightRole.Fc1Bias, layer));
        GraphTensor gelu = Like($"{prefix}.gelu", fc1);
        Add(new GeluOp(fc1, gelu));
        GraphTensor fc2 = Linear($"{prefix}.fc2", gelu, HiddenSize, new(WeightRole.Fc2Weight, layer), new(WeightRole.Fc2Bias, layer));
        return AddResidual($"{prefix}.output", fc2, x);
    }

    private bool PatchesOfLastBlockAreRead =>
        _taps.LastHiddenState || _taps.Dense2d || _taps.HiddenStates.Contains(_config.HiddenLayers)
        || _taps.FeatureMaps.Any(tap => tap.Stage == _config.HiddenLayers);

    /// <summary>What follows the last block: the final LayerNorm, of the class tokens alone where that is enough, and the pools.</summary>
    private void Head(GraphTensor x)
    {
        int classTokens = _config.ClassTokens;
        bool allTokens = _taps.LastHiddenState || _taps.Dense2d;
        GraphTensor normed = FinalNorm("layernorm", x, 0, allTokens ? _tokens : classTokens);
        GraphTensor pooled = MeanTokens("pooler", normed);
        if (_taps.LastHiddenState)
            Output("last_hidden_state", normed);
        if (_taps.PoolerOutput)
            Output("pooler_output", pooled);
        if (_taps.ClsRawMean)
            Output("cls_raw_mean", MeanTokens("cls_raw_mean", x));
        if (_taps.ClsConcat)
        {
            GraphTensor concatenated = Tensor("cls_concat", Batch, classTokens * HiddenSize);
            Add(new SelectTokensOp(normed, concatenated, 0, classTokens));
            Output("cls_concat", concatenated);
        }

        if (_taps.Dense2d)
        {
            GraphTensor dense = Tensor("dense_2d", Batch, (int)_grid.Area, 2 * HiddenSize);
            Add(new AppendMeanOp(normed, pooled, dense, classTokens));
            Output("dense_2d", dense);
        }
    }

    private void FeatureMap(FeatureMapTap tap, GraphTensor x)
    {
        string name = StageNames.NameOf(tap.Stage);
        int firstToken = 0;
        if (tap.ApplyLayerNorm)
        {
            firstToken = tap.Reshape ? _config.ClassTokens : 0;
            x = FinalNorm($"{name}.layernorm", x, firstToken, _tokens - firstToken);
        }

        if (tap.Reshape)
        {
            GraphTensor map = Tensor($"{name}.map", Batch, HiddenSize, _grid.Height, _grid.Width);
            Add(new TokensToMapOp(x, map, _config.ClassTokens - firstToken));
            x = map;
        }

        Output($"feature_maps.{name}", x);
    }

    private GraphTensor Linear(string name, GraphTensor input, int columns, WeightKey weight, WeightKey? bias)
    {
        GraphTensor product = Tensor($"{name}.matmul", Batch, input.Shape[1], columns);
        Add(new MatMulOp(input, product, weight));
        if (bias is not WeightKey key)
            return product;
        GraphTensor sum = Like(name, product);
        Add(new AddBiasOp(product, sum, key));
        return sum;
    }

    private GraphTensor LayerNorm(string name, GraphTensor input, WeightKey weight, WeightKey bias, int firstToken = 0, int? tokenCount = null)
    {
        GraphTensor output = Tensor(name, Batch, tokenCount ?? input.Shape[1], HiddenSize);
        Add(new LayerNormOp(input, output, weight, bias, firstToken, output.Shape[1]));
        return output;
    }

    private GraphTensor FinalNorm(string name, GraphTensor input, int firstToken, int tokenCount) =>
        LayerNorm(name, input, new(WeightRole.LayerNormWeight), new(WeightRole.LayerNormBias), firstToken, tokenCount);

    private GraphTensor SelectTokens(string name, GraphTensor input, int firstToken, int tokenCount)
    {
        GraphTensor output = Tensor(name, Batch, tokenCount, HiddenSize);
        Add(new SelectTokensOp(input, output, firstToken, tokenCount));
        return output;
    }

    private GraphTensor MeanTokens(string name, GraphTensor input)
    {
        GraphTensor output = Tensor(name, Batch, HiddenSize);
        Add(new MeanTokensOp(input, output, _config.ClassTokens));
        return output;
    }

    private GraphTensor AddResidual(string name, GraphTensor input, GraphTensor residual)
    {
        GraphTensor output = Like(name, input);
        Add(new AddResidualOp(input, residual, output));
        return output;
    }

    private GraphTensor Tensor(string name, params int[] shape)
    {
        GraphTensor tensor = new(_tensors.Count, name, shape);
        _tensors.Add(tensor);
        return tensor;
    }

    private GraphTensor Like(string name, GraphTensor other) => Tensor(name, [.. other.Shape]);

    private void Add(GraphOp op) => _ops.Add(op);

    /// <summary>Makes a tensor an output. A tensor lives in one place, so the second output that it serves is a copy.</summary>
    private void Output(string name, GraphTensor tensor)
    {
        if (tensor.Storage == TensorStorage.Output)
        {
            GraphTensor copy = Like(name, tensor);
            Add(new SelectTokensOp(tensor, copy, 0, tensor.Shape[1]));
            tensor = copy;
        }

        tensor.Storage = TensorStorage.Output;
        _outputs.Add((name, tensor));
    }

    private List<GraphOutput> PlaceOutputs()
    {
        List<GraphOutput> placed = [];
        long offset = 0;
        foreach ((string name, GraphTensor tensor) in _outputs)
        {
            placed.Add(new GraphOutput(name, tensor, offset));
            offset = checked(offset + tensor.ElementCount);
        }

        return placed;
    }
}
