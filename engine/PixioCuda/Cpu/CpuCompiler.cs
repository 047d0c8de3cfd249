using PixioCuda.Graph;

namespace PixioCuda.Cpu;

/// <summary>Turns a graph and its memory plan into a list of steps.</summary>
internal static class CpuCompiler
{
    public static CpuStep[] Compile(EncoderGraph graph, MemoryPlan plan, CpuWeights weights, CpuTarget target, float[] byteValues) => target.VectorBits switch
    {
        512 => new Compiler<MicroKernel512, FloatVector512>(graph, plan, weights, target, byteValues).Compile(),
        256 => new Compiler<MicroKernel256, FloatVector256>(graph, plan, weights, target, byteValues).Compile(),
        _ => new Compiler<MicroKernel128, FloatVector128>(graph, plan, weights, target, byteValues).Compile(),
    };

    private sealed unsafe class Compiler<TKernel, TVector>(EncoderGraph graph, MemoryPlan plan, CpuWeights weights, CpuTarget target, float[] byteValues)
        where TKernel : IMicroKernel
        where TVector : struct, IFloatVector<TVector>
    {
        private readonly CpuMemoryModel _model = new(graph, target);
        private readonly Dictionary<GraphTensor, long> _outputOffsets = graph.Outputs.ToDictionary(output => output.Tensor, output => output.Offset);

        public CpuStep[] Compile() => [.. graph.Ops.Select(Step)];

        private CpuStep Step(GraphOp op) => op switch
        {
            PatchEmbedOp patchEmbed => PatchEmbed(patchEmbed),
            LayerNormOp norm => new LayerNormStep(
                Operand(norm.Input), Operand(norm.Output), weights.Vector(norm.Weight), weights.Vector(norm.Bias), graph.Config.LayerNormEps,
                graph.Shape.Batch, norm.Input.Shape[1], norm.FirstToken, norm.TokenCount),
            LinearOp linear => new LinearStep<TKernel, TVector>(
                target, Operand(linear.Input), linear.Output.Rows, weights.Matrix(linear.Weight),
                linear.Bias is WeightKey bias ? weights.Vector(bias) : null, linear.Gelu,
                linear.Residual is GraphTensor residual ? Operand(residual) : null, Operand(linear.Output), plan.ScratchOffsetOf(op)),
            AttentionOp attention => new AttentionStep<TKernel, TVector>(
                AttentionShape.Of(attention, target), Operand(attention.Qkv), attention.Output is GraphTensor output ? Operand(output) : null,
                attention.Probabilities is GraphTensor probabilities ? Operand(probabilities) : null, attention.Heads, plan.ScratchOffsetOf(op)),
            SelectTokensOp select => new SelectTokensStep(
                Operand(select.Input), Operand(select.Output), graph.Shape.Batch, select.Input.Shape[1], select.FirstToken, select.TokenCount,
                select.Input.Columns),
            MeanTokensOp mean => new MeanTokensStep(
                Operand(mean.Input), Operand(mean.Output), graph.Shape.Batch, mean.Input.Shape[1], mean.TokenCount, mean.Input.Columns),
            AppendMeanOp append => new AppendMeanStep(
                Operand(append.Tokens), Operand(append.Mean), Operand(append.Output), graph.Shape.Batch, append.Tokens.Shape[1],
                append.FirstToken, append.Tokens.Columns),
            TokensToMapOp map => new TokensToMapStep(
                Operand(map.Input), Operand(map.Output), graph.Shape.Batch, map.Input.Shape[1], map.FirstToken, map.Input.Columns),
            _ => throw new NotSupportedException($"The CPU has no kernel for {op.GetType().Name}; it should have been fused."),
        };

        private PatchEmbedStep<TKernel> PatchEmbed(PatchEmbedOp op)
        {
            AlignedBuffer stored = weights.Vector(new WeightKey(WeightRole.PosEmbed));
            PixioConfig config = graph.Config;
            AlignedBuffer positions = op.Grid == config.PositionGrid
                ? stored
                : PositionTable.Resize(stored.Floats, config.PositionGrid, op.Grid, config.ClassTokens, config.HiddenSize);
            return new PatchEmbedStep<TKernel>(
                target, config, graph.Shape, weights.Matrix(new WeightKey(WeightRole.PatchWeight)), weights.Vector(new WeightKey(WeightRole.PatchBias)),
                weights.Vector(new WeightKey(WeightRole.ClsToken)), positions, Operand(op.Pixels), Operand(op.Output), plan.ScratchOffsetOf(op),
                graph.Shape.Pixels == PixelFormat.U8 ? byteValues : null);
        }

        private CpuOperand Operand(GraphTensor tensor)
        {
            long offset = tensor.Storage switch
            {
                TensorStorage.Input => 0,
                TensorStorage.Output => _outputOffsets[tensor],
                _ => plan.OffsetOf(tensor) ?? throw new InvalidOperationException($"The memory plan has no place for {tensor}."),
            };
            return new CpuOperand(tensor.Storage, offset, _model.RowsPadded(tensor), tensor.Columns, _model.LayoutOf(tensor));
        }
    }
}
