using PixioCuda.Graph;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda;

/// <summary>Turns a graph and its memory plan into launches.</summary>
/// <param name="device">Where it will run.</param>
/// <param name="weights">The weights, on that device.</param>
/// <param name="products">cuBLASLt, or null for our own products.</param>
/// <param name="precision">What is computed in.</param>
/// <param name="fast">Whether our own products may have bits that depend on the batch.</param>
/// <param name="graph">What to compute.</param>
/// <param name="plan">Where its tensors lie.</param>
internal sealed class CudaCompiler(
    GpuDevice device, CudaWeights weights, CublasLtProducts? products, Precision precision, bool fast, EncoderGraph graph, MemoryPlan plan)
{
    private readonly CudaTensorTypes _types = new(graph, precision);

    // Blocks are alike: each product's configuration is chosen once.
    private readonly Dictionary<GemmShape, GemmKernel> _products = [];

    private PixioConfig Config => graph.Config;

    private int Batch => graph.Shape.Batch;

    private bool TakesBytes => graph.Shape.Pixels == PixelFormat.U8;

    /// <summary>Compiles or fetches every kernel, and makes the list of launches.</summary>
    public CudaExecutable Compile(CudaBackend backend)
    {
        List<CudaStep> steps = [.. graph.Ops.SelectMany(Steps)];
        CudaOutput[] outputs = [.. graph.Outputs.Select(output => new CudaOutput(OffsetOf(output.Tensor), output.Offset, output.Tensor.ElementCount))];
        return new CudaExecutable(backend, graph, steps, outputs, plan.ArenaByteCount);
    }

    private IEnumerable<CudaStep> Steps(GraphOp op) => op switch
    {
        PatchEmbedOp patchEmbed => PatchEmbed(patchEmbed),
        LayerNormOp norm => [LayerNorm(norm)],
        LinearOp linear => products is null ? [Linear(linear)]
            : products.Steps(linear, _types, precision, weights, OffsetOf, plan.ScratchOffsetOf(linear)),
        AttentionOp attention => Attention(attention),
        SelectTokensOp select => [SelectTokens(select)],
        MeanTokensOp mean => [MeanTokens(mean)],
        AppendMeanOp append => [AppendMean(append)],
        TokensToMapOp map => [TokensToMap(map)],
        _ => throw new NotSupportedException($"There is no CUDA kernel for {op.GetType().Name}; it should have been fused."),
    };

    private IEnumerable<CudaStep> PatchEmbed(PatchEmbedOp op)
    {
        PatchEmbedShape shape = CudaWeights.PatchShape(Config, precision) with
        {
            Batch = Batch,
            Height = graph.Shape.Size.Height,
            Width = graph.Shape.Size.Width,
            Pixels = TakesBytes ? PixelType.U8 : PixelType.F32,
            Output = _types[op.Output],
        };
        PatchEmbedKernel kernel = new(device, shape);
        DevicePointer<byte> weight = TakesBytes ? weights.BytePatch.Weight : weights.Matrix(new(WeightRole.PatchWeight));
        DevicePointer<float> bias = TakesBytes ? weights.BytePatch.Bias : weights.Vector(new(WeightRole.PatchBias));
        DevicePointer<float> classTokens = weights.Vector(new(WeightRole.ClsToken));
        DevicePointer<float> stored = weights.Vector(new(WeightRole.PosEmbed));
        long output = OffsetOf(op.Output), table = plan.ScratchOffsetOf(op);
        bool isStored = op.Grid == Config.PositionGrid;
        if (!isStored)
            yield return Positions(op, stored, table);
        yield return Step(op.Output, kernel.Config, kernel.Config.Work(shape), (stream, memory) => kernel.Launch(
            stream, memory.Pixels, weight, bias, classTokens, isStored ? stored : memory.Arena[table].As<float>(), memory.Arena[output]));
    }

    /// <summary>The position embeddings of another grid than the stored one, made in every run: that takes microseconds, where tables that
    /// are kept for every size that ever came would take memory without end.</summary>
    private CudaStep Positions(PatchEmbedOp op, DevicePointer<float> stored, long table)
    {
        ImageSize storedGrid = Config.PositionGrid;
        PosEmbedShape shape = new(Config.ClassTokens, storedGrid.Height, storedGrid.Width, op.Grid.Height, op.Grid.Width, Config.HiddenSize);
        PosEmbedKernel kernel = new(device, shape);
        return new CudaStep("position_embeddings", kernel.Config.Source.Title, kernel.Config.Work(shape), UsesTensorCores: false,
            (stream, memory) => kernel.Launch(stream, stored, memory.Arena[table].As<float>()));
    }

    /// <summary>What a product is to the kernels.</summary>
    internal static GemmShape ProductOf(LinearOp op, CudaTensorTypes types, Precision precision)
    {
        GemmEpilogue epilogue = (op.Bias, op.Gelu, op.Residual) switch
        {
            (null, false, null) => GemmEpilogue.None,
            (not null, false, null) => GemmEpilogue.Bias,
            (not null, true, null) => GemmEpilogue.BiasGelu,
            (not null, false, not null) => GemmEpilogue.BiasResidual,
            _ => throw new NotSupportedException($"There is no CUDA kernel for the product {op.Output}: its bias, GELU and residual do not go together."),
        };
        return new(
            op.Output.Rows, op.Output.Columns, op.Input.Columns, precision.Element(), types[op.Output], epilogue,
            op.Residual is null ? ElementType.F32 : types[op.Residual])
        {
            Folding = op.Moments is not null ? GemmFolding.Applies : op.Copy is not null ? GemmFolding.Prepares : GemmFolding.None,
        };
    }

    private CudaStep Linear(LinearOp op)
    {
        GemmShape shape = ProductOf(op, _types, precision);
        if (!_products.TryGetValue(shape, out GemmKernel? kernel))
            _products.Add(shape, kernel = new GemmKernel(device, shape, fast: fast));
        DevicePointer<byte> weight = weights.Matrix(op.Weight);
        DevicePointer<float> bias = op.Bias is WeightKey key ? weights.Vector(key) : default;
        long input = OffsetOf(op.Input), output = OffsetOf(op.Output);
        long? residual = op.Residual is null ? null : OffsetOf(op.Residual);
        Func<CudaMemory, GemmFoldingOperands> folding = Folding(op);
        return Step(op.Output, kernel.Config, kernel.Config.Work(shape), (stream, memory) => kernel.Launch(
            stream, memory.Arena[input], weight, bias, residual is long place ? memory.Arena[place] : default, memory.Arena[output],
            folding(memory))) with
        {
            Product = shape,
        };
    }

    private Func<CudaMemory, GemmFoldingOperands> Folding(LinearOp op)
    {
        if (op.Moments is GraphTensor read)
        {
            long moments = OffsetOf(read);
            DevicePointer<float> rowSums = weights.RowSums(op.Weight);
            return memory => new GemmFoldingOperands(memory.Arena[moments], rowSums, Eps: Config.LayerNormEps);
        }

        if (op.Copy is StreamCopy left)
        {
            long moments = OffsetOf(left.Moments), values = OffsetOf(left.Values);
            return memory => new GemmFoldingOperands(memory.Arena[moments], Copy: memory.Arena[values]);
        }

        return _ => default;
    }

    private CudaStep LayerNorm(LayerNormOp op)
    {
        LayerNormShape shape = new(Batch, op.Input.Shape[1], op.FirstToken, op.TokenCount, op.Input.Columns, _types[op.Input], _types[op.Output]);
        LayerNormKernel kernel = new(device, shape);
        DevicePointer<float> weight = weights.Vector(op.Weight), bias = weights.Vector(op.Bias);
        long input = OffsetOf(op.Input), output = OffsetOf(op.Output);
        return Step(op.Output, kernel.Config, kernel.Config.Work(shape),
            (stream, memory) => kernel.Launch(stream, memory.Arena[input], weight, bias, memory.Arena[output], Config.LayerNormEps));
    }

    private IEnumerable<CudaStep> Attention(AttentionOp op)
    {
        AttentionShape shape = new(Batch, op.Qkv.Shape[1], op.QueryTokens, op.HeadCount, Config.HeadSize, _types[op.Qkv]);
        long qkv = OffsetOf(op.Qkv);
        if (op.Output is GraphTensor output)
        {
            AttentionKernel kernel = new(device, shape);
            long context = OffsetOf(output);
            yield return Step(output, kernel.Config, kernel.Config.Work(shape), (stream, memory) => kernel.Launch(stream, memory.Arena[qkv], memory.Arena[context]));
        }

        if (op.Probabilities is GraphTensor probabilities)
        {
            AttentionShape all = shape with { QueryTokens = shape.Tokens };
            AttentionProbabilitiesKernel kernel = new(device, all);
            long place = OffsetOf(probabilities);
            DevicePointer<uint> heads = weights.Constant([.. op.Heads.Select(head => (uint)head)]);
            yield return Step(probabilities, kernel.Config, kernel.Config.Work(all, op.Heads.Count),
                (stream, memory) => kernel.Launch(stream, memory.Arena[qkv], heads, op.Heads.Count, memory.Arena[place].As<float>()));
        }
    }

    private CudaStep SelectTokens(SelectTokensOp op)
    {
        SelectTokensShape shape = new(
            Batch, op.Input.Shape[1], op.FirstToken, op.TokenCount, op.Input.Columns, _types[op.Input], _types[op.Output]);
        SelectTokensKernel kernel = new(device, shape);
        long input = OffsetOf(op.Input), output = OffsetOf(op.Output);
        return Step(op.Output, kernel.Config, kernel.Config.Work(shape), (stream, memory) => kernel.Launch(stream, memory.Arena[input], memory.Arena[output]));
    }

    private CudaStep MeanTokens(MeanTokensOp op)
    {
        MeanTokensShape shape = new(Batch, op.Input.Shape[1], op.TokenCount, op.Input.Columns, _types[op.Input], _types[op.Output]);
        MeanTokensKernel kernel = new(device, shape);
        long input = OffsetOf(op.Input), output = OffsetOf(op.Output);
        return Step(op.Output, kernel.Config, kernel.Config.Work(shape), (stream, memory) => kernel.Launch(stream, memory.Arena[input], memory.Arena[output]));
    }

    private CudaStep AppendMean(AppendMeanOp op)
    {
        int tokens = op.Tokens.Shape[1];
        AppendMeanShape shape = new(Batch, tokens, tokens - op.FirstToken, op.Tokens.Columns, _types[op.Tokens], _types[op.Output]);
        AppendMeanKernel kernel = new(device, shape);
        long input = OffsetOf(op.Tokens), mean = OffsetOf(op.Mean), output = OffsetOf(op.Output);
        return Step(op.Output, kernel.Config, kernel.Config.Work(shape),
            (stream, memory) => kernel.Launch(stream, memory.Arena[input], memory.Arena[mean].As<float>(), memory.Arena[output]));
    }

    private CudaStep TokensToMap(TokensToMapOp op)
    {
        int tokens = op.Input.Shape[1];
        TokensToMapShape shape = new(Batch, tokens, tokens - op.FirstToken, op.Input.Columns, _types[op.Input], _types[op.Output]);
        TokensToMapKernel kernel = new(device, shape);
        long input = OffsetOf(op.Input), output = OffsetOf(op.Output);
        return Step(op.Output, kernel.Config, kernel.Config.Work(shape), (stream, memory) => kernel.Launch(stream, memory.Arena[input], memory.Arena[output]));
    }

    private static CudaStep Step(GraphTensor output, IKernelConfig config, KernelWork work, Action<GpuStream, CudaMemory> launch)
        => new(output.Name, config.Source.Title, work, UsesTensorCores(config), launch);

    private static bool UsesTensorCores(IKernelConfig config)
        => config.RequiredInstructions.Any(instruction => instruction.Contains("mma.", StringComparison.Ordinal));

    private long OffsetOf(GraphTensor tensor)
        => plan.OffsetOf(tensor) ?? throw new InvalidOperationException($"The memory plan has no place for {tensor}.");
}
