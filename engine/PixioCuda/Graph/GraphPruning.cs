namespace PixioCuda.Graph;

/// <summary>Takes away every op whose results nobody reads, so that what was not asked for is not computed.</summary>
internal static class GraphPruning
{
    public static EncoderGraph Prune(EncoderGraph graph)
    {
        bool[] isRead = new bool[graph.Tensors.Count];
        foreach (GraphOutput output in graph.Outputs)
            isRead[output.Tensor.Id] = true;

        List<GraphOp> kept = [];
        foreach (GraphOp op in graph.Ops.Reverse())
        {
            if (!op.Writes.Any(tensor => isRead[tensor.Id]))
                continue;
            // Attention is the one op with two results; its context may be dead while its probabilities are not.
            kept.Add(op is AttentionOp { Output: GraphTensor context } attention && !isRead[context.Id] ? attention with { Output = null } : op);
            foreach (GraphTensor tensor in op.Reads)
                isRead[tensor.Id] = true;
        }

        kept.Reverse();
        return graph.WithOps(kept);
    }
}
