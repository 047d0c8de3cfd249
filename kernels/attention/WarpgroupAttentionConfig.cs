using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>Attention by wgmma and tensor maps (sm_90a): what attention_resident.cu and attention_streamed.cu have in common. Heads are
/// compiled exactly: panels of 64 columns, and one of 16 or 32.</summary>
/// <param name="HeadDim">Compiled exactly.</param>
/// <param name="Element">Of qkv and context, bf16 or f16.</param>
/// <param name="KeyBlock">Keys in one product.</param>
/// <param name="Warpgroups">Of a block, with 64 query rows each.</param>
/// <param name="BlocksPerSm">That registers must allow at a time.</param>
internal abstract record WarpgroupAttentionConfig(int HeadDim, ElementType Element, int KeyBlock, int Warpgroups, int BlocksPerSm)
    : AttentionConfig(HeadDim, Element, KeyBlock, BlocksPerSm)
{
    /// <summary>Query rows of a warpgroup.</summary>
    public const int WarpgroupRows = 64;

    private protected const int WarpgroupThreads = 128;

    /// <summary>The widest head whose scores and context fit into registers beside each other.</summary>
    private const int MaxHeadDim = 96;

    public override int BlockRows => Warpgroups * WarpgroupRows;

    /// <summary>Rows of keys that one box of a tensor map brings.</summary>
    public abstract int KeyBoxRows { get; }

    public override IReadOnlyList<string> RequiredInstructions
    {
        get
        {
            string type = Element == ElementType.BF16 ? "bf16" : "f16";
            return
            [
                $"wgmma.mma_async.sync.aligned.m64n{KeyBoxRows}k16.f32.{type}.{type}", "wgmma.wait_group", "ex2.approx.ftz.f32",
                "shfl.sync",
                "cp.async.bulk.tensor.3d.shared::cluster.global", "cp.async.bulk.tensor.3d.global.shared::cta", "mbarrier.try_wait.parity",
                "fence.proxy.async",
            ];
        }
    }

    /// <summary>Bytes from a tile of so many rows to the next: the pattern of a swizzle repeats every 1 KB.</summary>
    private protected int TileBytes(int rows) => AttentionShape.RoundUp(rows * HeadDim * sizeof(ushort), 1024);

    /// <summary>Whether these kernels are made for a shape and a device.</summary>
    public static bool Serves(AttentionShape shape, DeviceLimits device)
        => device.ComputeCapability == new ComputeCapability(9, 0) && shape.Element != ElementType.F32
            && shape.HeadDim <= MaxHeadDim && (shape.HeadDim % 64) is 0 or 16 or 32 && shape.HeadDim >= 16;

    /// <summary>What a launch moves: the queries once, keys and values once for each block of a head's queries, the context once.</summary>
    public override KernelWork Work(AttentionShape shape)
    {
        int size = shape.Element.ByteCount();
        long heads = (long)shape.Batch * shape.Heads, blocks = QueryBlocks(shape);
        // Tiles bring whole boxes: rows behind the last query, which are other tokens, come along.
        long rows = Math.Min(shape.Tokens, AttentionShape.RoundUp(shape.QueryTokens, BroughtRows(shape)));
        long queries = heads * rows * shape.HeadDim * size, keys = heads * shape.Tokens * shape.HeadDim * size;
        long context = heads * shape.QueryTokens * shape.HeadDim * size;
        double flops = 4.0 * heads * shape.QueryTokens * shape.Tokens * shape.HeadDim;
        return new KernelWork(queries + (blocks * 2 * keys), context, flops, context + (2 * keys) + context);
    }

    /// <summary>Query rows that are brought at a time.</summary>
    private protected abstract int BroughtRows(AttentionShape shape);
}

/// <summary>The tunables of attention_resident.cu: all keys and values of a head in shared memory.</summary>
/// <param name="HeadDim">Compiled exactly.</param>
/// <param name="Element">Of qkv and context, bf16 or f16.</param>
/// <param name="Keys">The tokens, to a multiple of 16.</param>
/// <param name="Warpgroups">Of a block, with 64 query rows each.</param>
/// <param name="BlocksPerSm">That registers and shared memory allow at a time.</param>
/// <param name="SharedBlocks">Blocks that share a head's queries, at most; of a launch alone, the kernel is the same for any.</param>
internal sealed record ResidentAttentionConfig(
    int HeadDim, ElementType Element, int Keys, int Warpgroups, int BlocksPerSm, int SharedBlocks)
    : WarpgroupAttentionConfig(HeadDim, Element, Keys, Warpgroups, BlocksPerSm)
{
    /// <summary>The most keys whose scores fit into registers.</summary>
    public const int MaxKeys = 272;

    public override KernelSource Source => KernelText.Source<WarpgroupAttentionArgs>(
        "attention_resident", new("ELEMENT", Element.DeviceName()), new("HEAD_DIM", $"{HeadDim}"), new("KEYS", $"{Keys}"),
        new("WARPGROUPS", $"{Warpgroups}"), new("BLOCKS_PER_SM", $"{BlocksPerSm}"));

    public override int Threads => Warpgroups * WarpgroupThreads;

    public override int SharedBytes
        => (2 * TileBytes(Keys)) + (Warpgroups * ((2 * TileBytes(WarpgroupRows)) + sizeof(ulong))) + (2 * sizeof(ulong));

    // An instruction takes 256 keys at most, and so does a box.
    public override int KeyBoxRows => Keys > 256 ? Keys / 2 : Keys;

    public override int QueryBlocks(AttentionShape shape) => Math.Min(SharedBlocks, base.QueryBlocks(shape));

    private protected override int BroughtRows(AttentionShape shape) => WarpgroupRows;
}

/// <summary>The tunables of attention_streamed.cu: keys and values pass by.</summary>
/// <param name="HeadDim">Compiled exactly.</param>
/// <param name="Element">Of qkv and context, bf16 or f16.</param>
/// <param name="KeyBlock">Keys that pass by at a time.</param>
/// <param name="Warpgroups">Of a block that compute, with 64 query rows each.</param>
/// <param name="Stages">Blocks of keys and values in shared memory.</param>
internal sealed record StreamedAttentionConfig(int HeadDim, ElementType Element, int KeyBlock, int Warpgroups, int Stages)
    : WarpgroupAttentionConfig(HeadDim, Element, KeyBlock, Warpgroups, BlocksPerSm: 1)
{
    public override KernelSource Source => KernelText.Source<WarpgroupAttentionArgs>(
        "attention_streamed", new("ELEMENT", Element.DeviceName()), new("HEAD_DIM", $"{HeadDim}"), new("KEY_BLOCK", $"{KeyBlock}"),
        new("WARPGROUPS", $"{Warpgroups}"), new("STAGES", $"{Stages}"), new("CONSUMER_REGISTERS", $"{ConsumerRegisters}"));

    // One warpgroup more brings everything.
    public override int Threads => (Warpgroups + 1) * WarpgroupThreads;

    public override int SharedBytes
        => (Warpgroups * TileBytes(WarpgroupRows)) + (Stages * ((2 * TileBytes(KeyBlock)) + (3 * sizeof(ulong)))) + sizeof(ulong);

    public override int KeyBoxRows => KeyBlock;

    /// <summary>Registers of a computing thread once the bringing warpgroup has given most of its own away.</summary>
    public int ConsumerRegisters => Warpgroups == 2 ? 240 : 160;

    public override IReadOnlyList<string> RequiredInstructions
        => [.. base.RequiredInstructions, "setmaxnreg.inc.sync.aligned.u32", "setmaxnreg.dec.sync.aligned.u32"];

    private protected override int BroughtRows(AttentionShape shape) => BlockRows;
}
