using PixioCuda.Cpu;
using PixioCuda.Graph;
using PixioCuda.Weights;

namespace PixioCuda.Peers.Onnx;

/// <summary>Which operators a graph is written with.</summary>
internal enum OnnxDialect
{
    /// <summary>ONNX's own operators, as an export of the model has them.</summary>
    Standard,

    /// <summary>With ONNX Runtime's own fused ones: MultiHeadAttention, SkipLayerNormalization, BiasGelu.</summary>
    Fused,
}

/// <summary>Writes an encoder as an ONNX model for one batch of pictures of the model's own size: pixel_values in, last_hidden_state
/// out.</summary>
internal sealed class OnnxEncoder
{
    public const string InputName = "pixel_values";
    public const string OutputName = "last_hidden_state";

    private const string DataName = "weights.bin";

    private readonly PixioConfig _config;
    private readonly EncoderWeights _weights;
    private readonly OnnxDialect _dialect;
    private readonly int _batch;
    private readonly OnnxGraphWriter _graph;

    private OnnxEncoder(PixioConfig config, EncoderWeights weights, OnnxDialect dialect, int batch, Stream? data)
    {
        _config = config;
        _weights = weights;
        _dialect = dialect;
        _batch = batch;
        _graph = new OnnxGraphWriter("pixio_encoder", DataName, data);
    }

    private int Tokens => _config.PositionCount;

    private int HiddenSize => _config.HiddenSize;

    /// <summary>Writes the weights once and a graph for each dialect.</summary>
    /// <returns>The graphs' paths.</returns>
    public static IReadOnlyDictionary<OnnxDialect, string> Save(string folder, PixioConfig config, EncoderWeights weights, int batch)
    {
        Dictionary<OnnxDialect, string> paths = [];
        foreach (OnnxDialect dialect in Enum.GetValues<OnnxDialect>())
        {
            using FileStream? data = paths.Count == 0 ? File.Create(Path.Combine(folder, DataName)) : null;
            string path = Path.Combine(folder, $"{dialect}.onnx");
            new OnnxEncoder(config, weights, dialect, batch, data).Write(path);
            paths.Add(dialect, path);
        }

        return paths;
    }

    private void Write(string path)
    {
        string x = Embeddings();
        // Of a fused graph, what the block before has not yet added to the residual stream.
        (string? Product, string Bias) pending = (null, "");
        for (int layer = 0; layer < _config.HiddenLayers; layer++)
        {
            (string norm1, x) = Norm(x, pending, new(WeightRole.Norm1Weight, layer), new(WeightRole.Norm1Bias, layer));
            pending = (MatMul(Attention(norm1, layer), WeightRole.ProjWeight, layer), Vector(WeightRole.ProjBias, layer));
            (string norm2, x) = Norm(x, pending, new(WeightRole.Norm2Weight, layer), new(WeightRole.Norm2Bias, layer));
            string fc1 = MatMul(norm2, WeightRole.Fc1Weight, layer), bias = Vector(WeightRole.Fc1Bias, layer);
            string gelu = _dialect == OnnxDialect.Fused
                ? _graph.Node(OnnxGraphWriter.ContribDomain, "BiasGelu", [fc1, bias], 1)[0]
                : _graph.Node("Gelu", [_graph.Node("Add", [fc1, bias])]);
            pending = (MatMul(gelu, WeightRole.Fc2Weight, layer), Vector(WeightRole.Fc2Bias, layer));
        }

        (string normed, _) = Norm(x, pending, new(WeightRole.LayerNormWeight), new(WeightRole.LayerNormBias));
        _graph.Output(OutputName, normed, _batch, Tokens, HiddenSize);
        _graph.Save(path);
    }

    /// <summary>[B, T, d]: class tokens and projected patches, with their positions.</summary>
    private string Embeddings()
    {
        ImageSize size = _config.ImageSize, patch = _config.PatchSize;
        string pixels = _graph.Input(InputName, _batch, _config.Channels, size.Height, size.Width);
        string weight = Weight(new(WeightRole.PatchWeight), HiddenSize, _config.Channels, patch.Height, patch.Width);
        string maps = _graph.Node("Conv", [pixels, weight, Vector(WeightRole.PatchBias)],
            OnnxAttribute.Ints("kernel_shape", patch.Height, patch.Width), OnnxAttribute.Ints("strides", patch.Height, patch.Width));
        string flat = _graph.Node("Reshape", [maps, _graph.Constant(_batch, HiddenSize, _config.PositionGrid.Area)]);
        string patches = _graph.Node("Transpose", [flat], OnnxAttribute.Ints("perm", 0, 2, 1));
        string cls = _graph.Node("Expand", [Weight(new(WeightRole.ClsToken), 1, _config.ClassTokens, HiddenSize),
            _graph.Constant(_batch, _config.ClassTokens, HiddenSize)]);
        string tokens = _graph.Node("Concat", [cls, patches], OnnxAttribute.Int("axis", 1));
        return _graph.Node("Add", [tokens, Weight(new(WeightRole.PosEmbed), 1, Tokens, HiddenSize)]);
    }

    /// <summary>Adds what is pending to the residual stream and normalises it.</summary>
    private (string Normed, string Sum) Norm(string x, (string? Product, string Bias) pending, WeightKey weight, WeightKey bias)
    {
        string[] parameters = [Weight(weight, HiddenSize), Weight(bias, HiddenSize)];
        OnnxAttribute epsilon = OnnxAttribute.Float("epsilon", _config.LayerNormEps);
        if (pending.Product is string product)
        {
            if (_dialect == OnnxDialect.Fused)
            {
                string[] outputs = _graph.Node(OnnxGraphWriter.ContribDomain, "SkipLayerNormalization",
                    [x, product, .. parameters, pending.Bias], 4, epsilon);
                return (outputs[0], outputs[3]);
            }

            x = _graph.Node("Add", [_graph.Node("Add", [product, pending.Bias]), x]);
        }

        return (_graph.Node("LayerNormalization", [x, .. parameters], OnnxAttribute.Int("axis", -1), epsilon), x);
    }

    private string Attention(string x, int layer)
    {
        // [3 d, d] and [3 d] as three of each, as exports have them.
        float[] stacked = Read(new(WeightRole.QkvWeight, layer));
        float[] biases = _config.QkvBias ? Read(new(WeightRole.QkvBias, layer)) : new float[3 * HiddenSize];
        string[] products = new string[3];
        for (int part = 0; part < 3; part++)
        {
            string name = $"{new WeightKey(WeightRole.QkvWeight, layer)}.{part}";
            ReadOnlySpan<float> rows = stacked.AsSpan(part * HiddenSize * HiddenSize, HiddenSize * HiddenSize);
            products[part] = _graph.Node("MatMul", [x, Transposed(name, HiddenSize, HiddenSize, rows)]);
        }

        if (_dialect == OnnxDialect.Fused)
        {
            string bias = _graph.Weight($"{new WeightKey(WeightRole.QkvBias, layer)}", [3 * HiddenSize], biases);
            return _graph.Node(OnnxGraphWriter.ContribDomain, "MultiHeadAttention", [.. products, bias], 1,
                OnnxAttribute.Int("num_heads", _config.AttentionHeads))[0];
        }

        // The biases lie in the file as one weight, so that both dialects have the same file.
        string allBiases = _graph.Weight($"{new WeightKey(WeightRole.QkvBias, layer)}", [3, HiddenSize], biases);
        string[] heads = new string[3];
        for (int part = 0; part < 3; part++)
        {
            string bias = _graph.Node("Gather", [allBiases, _graph.Constant(part)], OnnxAttribute.Int("axis", 0));
            string split = _graph.Node("Reshape", [_graph.Node("Add", [products[part], bias]),
                _graph.Constant(_batch, Tokens, _config.AttentionHeads, _config.HeadSize)]);
            // Keys come as [B, h, head size, T], ready to be multiplied with.
            heads[part] = _graph.Node("Transpose", [split], part == 1 ? OnnxAttribute.Ints("perm", 0, 2, 3, 1) : OnnxAttribute.Ints("perm", 0, 2, 1, 3));
        }

        string scores = _graph.Node("Mul", [_graph.Node("MatMul", [heads[0], heads[1]]), _graph.Scalar((float)(1 / Math.Sqrt(_config.HeadSize)))]);
        string context = _graph.Node("MatMul", [_graph.Node("Softmax", [scores], OnnxAttribute.Int("axis", -1)), heads[2]]);
        string merged = _graph.Node("Transpose", [context], OnnxAttribute.Ints("perm", 0, 2, 1, 3));
        return _graph.Node("Reshape", [merged, _graph.Constant(_batch, Tokens, HiddenSize)]);
    }

    private string MatMul(string x, WeightRole role, int layer)
    {
        WeightKey key = new(role, layer);
        float[] values = Read(key);
        int rows = role == WeightRole.Fc1Weight ? _config.MlpSize : HiddenSize;
        return _graph.Node("MatMul", [x, Transposed($"{key}", rows, values.Length / rows, values)]);
    }

    /// <summary>A weight [n, k] as ONNX's MatMul takes it, [k, n].</summary>
    private string Transposed(string name, int rows, int columns, ReadOnlySpan<float> values)
    {
        float[] transposed = new float[values.Length];
        Transpose.Run(values, rows, columns, transposed, rows);
        return _graph.Weight(name, [columns, rows], transposed);
    }

    private string Vector(WeightRole role, int layer = -1)
    {
        float[] values = Read(new(role, layer));
        return _graph.Weight($"{new WeightKey(role, layer)}", [values.Length], values);
    }

    private string Weight(WeightKey key, params ReadOnlySpan<long> shape) => _graph.Weight($"{key}", shape, Read(key));

    private float[] Read(WeightKey key)
    {
        IReadOnlyList<TensorInfo> parts = _weights.Parts(key);
        float[] values = new float[parts.Sum(part => part.ElementCount)];
        _weights.ReadRows(parts, 0, 1, values);
        return values;
    }
}
