namespace PixioCuda.Graph;

/// <summary>A step of the graph. Shapes in the comments: B batch, T tokens, n class tokens, P patches, d hidden size, h heads.</summary>
internal abstract record GraphOp
{
    /// <summary>The tensors it reads.</summary>
    public abstract IEnumerable<GraphTensor> Reads { get; }

    /// <summary>The tensors it writes.</summary>
    public abstract IEnumerable<GraphTensor> Writes { get; }
}

/// <summary>pixels [B, C, H, W] -> [B, n + P, d]: the patch projection with its bias after the class tokens, plus positions.</summary>
internal sealed record PatchEmbedOp(GraphTensor Pixels, GraphTensor Output, ImageSize Grid) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Pixels];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>[B, T, d] -> [B, TokenCount, d]: LayerNorm of the tokens from FirstToken on.</summary>
internal sealed record LayerNormOp(GraphTensor Input, GraphTensor Output, WeightKey Weight, WeightKey Bias, int FirstToken, int TokenCount) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Input];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>[B, T, k] -> [B, T, n]: input times weight [n, k] transposed. Fused into <see cref="LinearOp"/>.</summary>
internal sealed record MatMulOp(GraphTensor Input, GraphTensor Output, WeightKey Weight) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Input];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>Adds a vector to every row. Fused into <see cref="LinearOp"/>.</summary>
internal sealed record AddBiasOp(GraphTensor Input, GraphTensor Output, WeightKey Bias) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Input];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>x times the normal distribution function of x, in its exact (erf) form. Fused into <see cref="LinearOp"/>.</summary>
internal sealed record GeluOp(GraphTensor Input, GraphTensor Output) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Input];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>Adds the residual stream. Fused into <see cref="LinearOp"/>.</summary>
internal sealed record AddResidualOp(GraphTensor Input, GraphTensor Residual, GraphTensor Output) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Input, Residual];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>A matrix product with all that follows it: residual + gelu(input * weight^T + bias), each part where there is one.</summary>
internal sealed record LinearOp(GraphTensor Input, GraphTensor Output, WeightKey Weight, WeightKey? Bias, bool Gelu, GraphTensor? Residual) : GraphOp
{
    /// <summary>What is left beside the output for a LayerNorm that the next product does; null on devices that have a kernel for
    /// it.</summary>
    public StreamCopy? Copy { get; init; }

    /// <summary>Moments of the input's rows, [B, T, 2 k / 64], where the input is such a copy: the product is then one of its LayerNorm,
    /// which weight and bias have taken in.</summary>
    public GraphTensor? Moments { get; init; }

    public override IEnumerable<GraphTensor> Reads => new[] { Input, Residual, Moments }.OfType<GraphTensor>();

    public override IEnumerable<GraphTensor> Writes => Copy is null ? [Output] : [Output, Copy.Values, Copy.Moments];
}

/// <summary>The residual stream as the next product reads it.</summary>
/// <param name="Values">[B, T, d], rounded to what is multiplied.</param>
/// <param name="Moments">[B, T, 2 d / 64]: mean of every 64 neighbouring columns of a row, and sum of squares around it.</param>
internal sealed record StreamCopy(GraphTensor Values, GraphTensor Moments);

/// <summary>qkv [B, T, 3d] -> context [B, QueryTokens, d]: softmax(q k^T / sqrt(head size)) v for the first QueryTokens tokens.
/// Probabilities [B, Heads.Count, T, T] are written only where a tap wants them; Output is null when only they are wanted.</summary>
internal sealed record AttentionOp(
    GraphTensor Qkv, GraphTensor? Output, int HeadCount, int QueryTokens, GraphTensor? Probabilities, IReadOnlyList<int> Heads) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Qkv];

    public override IEnumerable<GraphTensor> Writes => new[] { Output, Probabilities }.OfType<GraphTensor>();
}

/// <summary>[B, T, d] -> [B, TokenCount, d]: copies the tokens from FirstToken on.</summary>
internal sealed record SelectTokensOp(GraphTensor Input, GraphTensor Output, int FirstToken, int TokenCount) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Input];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>[B, T, d] -> [B, d]: the mean of the first TokenCount tokens.</summary>
internal sealed record MeanTokensOp(GraphTensor Input, GraphTensor Output, int TokenCount) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Input];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>tokens [B, n + P, d] and mean [B, d] -> [B, P, 2d]: every patch with the mean appended.</summary>
internal sealed record AppendMeanOp(GraphTensor Tokens, GraphTensor Mean, GraphTensor Output, int FirstToken) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Tokens, Mean];

    public override IEnumerable<GraphTensor> Writes => [Output];
}

/// <summary>[B, T, d] -> [B, d, H/p, W/p]: the tokens from FirstToken on as planes.</summary>
internal sealed record TokensToMapOp(GraphTensor Input, GraphTensor Output, int FirstToken) : GraphOp
{
    public override IEnumerable<GraphTensor> Reads => [Input];

    public override IEnumerable<GraphTensor> Writes => [Output];
}
