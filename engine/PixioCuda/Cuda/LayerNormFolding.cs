using PixioCuda.Graph;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda;

/// <summary>A weight that takes in the LayerNorm in front of its product.</summary>
/// <param name="Weight">The product's weight.</param>
/// <param name="Bias">The product's bias; of folded ones there is one in any case.</param>
/// <param name="NormWeight">LayerNorm's weight.</param>
/// <param name="NormBias">LayerNorm's bias.</param>
internal sealed record FoldedMatrix(WeightKey Weight, WeightKey Bias, WeightKey NormWeight, WeightKey NormBias);

/// <summary>
/// Takes LayerNorms out of a graph whose products can do them (docs/decisions/0023): the product that adds to the residual stream leaves a
/// copy of it and moments of its rows, and qkv or fc1 behind it norms its own sums, with weights that have taken the norm's in. Which
/// norms, the model and the device alone decide, never the batch or what a run is asked for: a picture's bits must not depend on these.
/// </summary>
internal sealed class LayerNormFolding
{
    private readonly int _layers;

    private LayerNormFolding(int layers) => _layers = layers;

    /// <summary>The folding of a model on a device; null where every norm has its kernel: in float32, with cuBLASLt's products, on all but
    /// compute capability 9.0, and for widths that moments of 64 columns do not divide.</summary>
    public static LayerNormFolding? Of(PixioConfig config, Precision precision, GemmProvider gemm, DeviceLimits device)
        => gemm == GemmProvider.Native && GemmFoldings.Allows(config.HiddenSize, config.MlpSize, precision.Element(), device)
            ? new LayerNormFolding(config.HiddenLayers) : null;

    /// <summary>The weights that take a LayerNorm in, in any order. The first block's norm1 has
    /// no product in front of it, and the last block's norm2 may be of class tokens alone, for which the stream has rows of their
    /// own.</summary>
    public IEnumerable<FoldedMatrix> Matrices()
    {
        for (int layer = 0; layer < _layers; layer++)
        {
            if (layer > 0)
            {
                yield return new(
                    new(WeightRole.QkvWeight, layer), new(WeightRole.QkvBias, layer), new(WeightRole.Norm1Weight, layer),
                    new(WeightRole.Norm1Bias, layer));
            }

            if (layer < _layers - 1)
            {
                yield return new(
                    new(WeightRole.Fc1Weight, layer), new(WeightRole.Fc1Bias, layer), new(WeightRole.Norm2Weight, layer),
                    new(WeightRole.Norm2Bias, layer));
            }
        }
    }

    /// <summary>The graph without the norms that are folded.</summary>
    public EncoderGraph Fold(EncoderGraph graph)
    {
        Dictionary<WeightKey, FoldedMatrix> matrixOf = Matrices().ToDictionary(matrix => matrix.NormWeight);
        Dictionary<GraphTensor, StreamCopy> copies = [];
        Dictionary<GraphTensor, (LayerNormOp Norm, StreamCopy Copy)> normed = [];
        List<GraphTensor> added = [];
        foreach (LayerNormOp norm in graph.Ops.OfType<LayerNormOp>().Where(norm => matrixOf.ContainsKey(norm.Weight)))
        {
            StreamCopy copy = CopyOf(norm.Input, graph.Tensors.Count + added.Count);
            added.AddRange([copy.Values, copy.Moments]);
            copies.Add(norm.Input, copy);
            normed.Add(norm.Output, (norm, copy));
        }

        List<GraphOp> ops = [];
        foreach (GraphOp op in graph.Ops)
        {
            switch (op)
            {
                case LayerNormOp norm when normed.ContainsKey(norm.Output):
                    break;
                case LinearOp product when copies.Remove(product.Output, out StreamCopy? copy):
                    ops.Add(product with { Copy = copy });
                    break;
                case LinearOp product when normed.Remove(product.Input, out (LayerNormOp Norm, StreamCopy Copy) input)
                    && matrixOf[input.Norm.Weight] is FoldedMatrix matrix && matrix.Weight == product.Weight:
                    // A bias is there in any case: what the norm adds.
                    ops.Add(product with { Input = input.Copy.Values, Moments = input.Copy.Moments, Bias = matrix.Bias });
                    break;
                default:
                    ops.Add(op);
                    break;
            }
        }

        // Weights are folded in any case: a norm that stayed would be taken twice.
        if (copies.Count + normed.Count > 0)
        {
            throw new InvalidOperationException(
                $"No product stands in front of and behind {string.Join(", ", copies.Keys.Concat(normed.Keys))}.");
        }

        return graph.WithOps(ops, added);
    }

    private static StreamCopy CopyOf(GraphTensor stream, int firstId)
    {
        int moments = 2 * stream.Columns / GemmFoldingOperands.MomentColumns;
        return new StreamCopy(
            new GraphTensor(firstId, $"{stream.Name}.copy", [.. stream.Shape]),
            new GraphTensor(firstId + 1, $"{stream.Name}.moments", [.. stream.Shape.SkipLast(1), moments]));
    }
}
