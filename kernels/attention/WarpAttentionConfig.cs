using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The tunables of attention.cu (warps with mma.sync), and of attention_f32.cu for float32 (one row tile, two stages).</summary>
/// <param name="HeadDim">Compiled exactly.</param>
/// <param name="Element">Of qkv and context.</param>
/// <param name="KeyBlock">Keys that pass by at a time; decides the order of sums, and with it the bits.</param>
/// <param name="Warps">Of a block.</param>
/// <param name="RowTiles">16 query rows each, of a warp.</param>
/// <param name="Stages">Blocks of keys and values in shared memory.</param>
/// <param name="BlocksPerSm">That registers must allow at a time.</param>
internal sealed record WarpAttentionConfig(
    int HeadDim, ElementType Element, int KeyBlock, int Warps, int RowTiles, int Stages, int BlocksPerSm)
    : AttentionConfig(HeadDim, Element, KeyBlock, BlocksPerSm)
{
    private const int WarpSize = 32;

    public override KernelSource Source => Element == ElementType.F32
        ? KernelText.Source<AttentionArgs>("attention_f32", new("HEAD_DIM", $"{HeadDim}"), new("KEY_BLOCK", $"{KeyBlock}"),
            new("WARPS", $"{Warps}"), new("BLOCKS_PER_SM", $"{BlocksPerSm}"))
        : KernelText.Source<AttentionArgs>("attention", new("ELEMENT", Element.DeviceName()), new("HEAD_DIM", $"{HeadDim}"),
            new("KEY_BLOCK", $"{KeyBlock}"), new("WARPS", $"{Warps}"), new("ROW_TILES", $"{RowTiles}"), new("STAGES", $"{Stages}"),
            new("BLOCKS_PER_SM", $"{BlocksPerSm}"));

    public override int Threads => Warps * WarpSize;

    public override int BlockRows => Warps * RowTiles * 16;

    public override int SharedBytes
    {
        get
        {
            int row = Sizes.SharedRowBytes, stage = 2 * KeyBlock * row, queries = BlockRows * row;
            if (Element != ElementType.F32)
                return Math.Max(Stages * stage, ((Stages - 1) * stage) + queries);
            return (2 * stage) + queries + (BlockRows * sizeof(float) * StagedColumns(KeyBlock)) + row;
        }
    }

    public override IReadOnlyList<string> RequiredInstructions
    {
        get
        {
            string[] always = Element switch
            {
                ElementType.F32 => ["fma.rn.f32", "ld.shared.v4", "shfl.sync"],
                ElementType.F16 => [.. TensorInstructions, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"],
                _ => [.. TensorInstructions, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"],
            };
            string[] copies = Sizes.CopyInstruction is string copy ? [copy] : [];
            string[] stores = HeadDim * Element.ByteCount() % 16 == 0 ? ["st.global.v4"] : [];
            return [.. always, .. copies, .. stores];
        }
    }

    private static string[] TensorInstructions =>
        ["ldmatrix.sync.aligned.m8n8.x4.shared.b16", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", "ex2.approx.ftz.f32", "shfl.sync"];

    private AttentionShape Sizes => new(1, 1, 1, 1, HeadDim, Element);

    /// <summary>What a launch moves: the queries once, keys and values once for each tile of queries, in float32 a sample of the keys
    /// again; the context once.</summary>
    public override KernelWork Work(AttentionShape shape)
    {
        int size = shape.Element.ByteCount();
        long heads = (long)shape.Batch * shape.Heads, tiles = AttentionShape.CeilDiv(shape.QueryTokens, BlockRows);
        long sampled = Element == ElementType.F32 ? Math.Min(shape.Tokens, SampledKeys) : 0;
        long queries = heads * shape.QueryTokens * shape.HeadDim * size, keys = heads * shape.Tokens * shape.HeadDim * size;
        long asked = queries + (tiles * ((2 * keys) + (heads * sampled * shape.HeadDim * size)));
        double flops = 4.0 * heads * shape.QueryTokens * shape.Tokens * shape.HeadDim;
        return new KernelWork(asked * shape.ReadsPerElement, queries, flops, queries + (2 * keys) + queries);
    }

    /// <summary>Of kernels/include/attention_ffma.cuh.</summary>
    internal const int SampledKeys = 32;

    /// <summary>Floats from a row of a warp's staged scores to the next (kernels/include/score_rows.cuh).</summary>
    internal static int StagedColumns(int keyBlock) => keyBlock % 16 == 8 ? keyBlock : keyBlock + 8;
}
