namespace PixioCuda.Graph;

/// <summary>Pulls bias, GELU and residual into the matrix product before them, so that a product's result is touched once.</summary>
internal static class GraphFusion
{
    public static EncoderGraph Fuse(EncoderGraph graph)
    {
        int[] readers = new int[graph.Tensors.Count];
        foreach (GraphTensor tensor in graph.Ops.SelectMany(op => op.Reads))
            readers[tensor.Id]++;

        List<GraphOp> fused = [];
        foreach (GraphOp op in graph.Ops)
        {
            if (op is MatMulOp product)
            {
                fused.Add(new LinearOp(product.Input, product.Output, product.Weight, null, false, null));
                continue;
            }

            // Nothing stands between the ops of one chain, so the op to extend is the one before.
            LinearOp? extended = fused.Count > 0 && fused[^1] is LinearOp linear && IsPrivate(linear.Output) ? Extend(linear, op) : null;
            if (extended is null)
                fused.Add(op);
            else
                fused[^1] = extended;
        }

        return graph.WithOps(fused);

        bool IsPrivate(GraphTensor tensor) => tensor.Storage == TensorStorage.Arena && readers[tensor.Id] == 1;
    }

    /// <summary>The product with one more step, or null when its epilogue has no place for it: bias, then GELU, then residual.</summary>
    private static LinearOp? Extend(LinearOp linear, GraphOp next) => next switch
    {
        AddBiasOp bias when bias.Input == linear.Output && linear is { Bias: null, Gelu: false, Residual: null } =>
            linear with { Bias = bias.Bias, Output = bias.Output },
        GeluOp gelu when gelu.Input == linear.Output && linear is { Gelu: false, Residual: null } =>
            linear with { Gelu = true, Output = gelu.Output },
        AddResidualOp add when add.Input == linear.Output && linear.Residual is null =>
            linear with { Residual = add.Residual, Output = add.Output },
        _ => null,
    };
}
