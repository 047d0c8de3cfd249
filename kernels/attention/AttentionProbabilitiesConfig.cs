using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The tunables of attention_probabilities.cu, and of attention_probabilities_f32.cu for float32.</summary>
/// <param name="HeadDim">Compiled exactly.</param>
/// <param name="Element">Of qkv.</param>
/// <param name="KeyBlock">Keys that pass by at a time; decides the order of sums, and with it the bits.</param>
/// <param name="Warps">Of a block, with 16 query rows each.</param>
/// <param name="Vector">Probabilities that a lane stores at once: 2 where rows are a multiple of it, else 1.</param>
/// <param name="BlocksPerSm">That registers must allow at a time.</param>
internal sealed record AttentionProbabilitiesConfig(int HeadDim, ElementType Element, int KeyBlock, int Warps, int Vector, int BlocksPerSm)
    : IKernelConfig
{
    private const int WarpSize = 32, Stages = 2;

    public KernelSource Source => Element == ElementType.F32
        ? KernelText.Source<AttentionProbabilitiesArgs>("attention_probabilities_f32", new("HEAD_DIM", $"{HeadDim}"),
            new("KEY_BLOCK", $"{KeyBlock}"), new("WARPS", $"{Warps}"), new("VECTOR", $"{Vector}"), new("BLOCKS_PER_SM", $"{BlocksPerSm}"))
        : KernelText.Source<AttentionProbabilitiesArgs>("attention_probabilities", new("ELEMENT", Element.DeviceName()),
            new("HEAD_DIM", $"{HeadDim}"), new("KEY_BLOCK", $"{KeyBlock}"), new("WARPS", $"{Warps}"), new("VECTOR", $"{Vector}"),
            new("BLOCKS_PER_SM", $"{BlocksPerSm}"));

    public int Threads => Warps * WarpSize;

    /// <summary>Query rows of a block.</summary>
    public int BlockRows => Warps * 16;

    public int SharedBytes
    {
        get
        {
            int row = Sizes.SharedRowBytes, staged = BlockRows * sizeof(float) * WarpAttentionConfig.StagedColumns(KeyBlock);
            return (Stages * KeyBlock * row) + (BlockRows * row) + staged + (Element == ElementType.F32 ? row : 0);
        }
    }

    public int RegisterBudget => AttentionConfig.RegistersFor(Threads, BlocksPerSm);

    public IReadOnlyList<string> RequiredInstructions
    {
        get
        {
            string[] always = Element switch
            {
                ElementType.F32 => ["fma.rn.f32", "ld.shared.v4", "shfl.sync"],
                ElementType.F16 => [.. TensorInstructions, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"],
                _ => [.. TensorInstructions, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"],
            };
            return Sizes.CopyInstruction is string copy ? [.. always, copy] : always;
        }
    }

    private static string[] TensorInstructions => ["ldmatrix.sync.aligned.m8n8.x4.shared.b16", "ex2.approx.ftz.f32", "shfl.sync"];

    private AttentionShape Sizes => new(1, 1, 1, 1, HeadDim, Element);

    /// <summary>What a launch moves: the queries once and the keys twice for each tile of them, in float32 a sample of the keys again;
    /// every probability once.</summary>
    public KernelWork Work(AttentionShape shape, int headCount)
    {
        int size = shape.Element.ByteCount();
        long heads = (long)shape.Batch * headCount, tiles = AttentionShape.CeilDiv(shape.Tokens, BlockRows);
        long sampled = Element == ElementType.F32 ? Math.Min(shape.Tokens, WarpAttentionConfig.SampledKeys) : 0;
        long rows = heads * shape.Tokens * shape.HeadDim * size;
        long asked = (rows + (tiles * ((2 * rows) + (heads * sampled * shape.HeadDim * size)))) * shape.ReadsPerElement;
        // Each warp reads the number of its head.
        asked += heads * tiles * Warps * sizeof(uint);
        long written = heads * shape.Tokens * shape.Tokens * sizeof(float);
        return new KernelWork(asked, written, 4.0 * heads * shape.Tokens * shape.Tokens * shape.HeadDim, (2 * rows) + written);
    }
}
