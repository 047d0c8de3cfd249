using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The tunables of gemm_sm90.cu.</summary>
/// <param name="Element">The type of A and W.</param>
/// <param name="Output">The type of C.</param>
/// <param name="BlockM">Rows of a tile.</param>
/// <param name="BlockN">Columns of a tile.</param>
/// <param name="Stages">Slices of 64 columns in shared memory.</param>
/// <param name="Consumers">Warpgroups that multiply.</param>
/// <param name="PingPong">Whether they take tiles in turn; else they share the rows of each.</param>
/// <param name="ClusterM">Blocks below each other, which share the copies of W.</param>
/// <param name="ClusterN">Blocks beside each other, which share the copies of A.</param>
/// <param name="Epilogue">What follows the product.</param>
internal sealed record WarpgroupGemmConfig(
    ElementType Element, ElementType Output, int BlockM, int BlockN, int Stages, int Consumers, bool PingPong, int ClusterM,
    int ClusterN, GemmEpilogue Epilogue)
    : GemmConfig(BlockM, BlockN, SliceK, Stages, 1, Epilogue, 16, VectorOf(Output), false)
{
    /// <summary>Columns of a slice: a row of them is the span of the 128-byte swizzle.</summary>
    public const int SliceK = 64;

    private const int WarpgroupSize = 128, MBarrierBytes = 8;

    /// <summary>How tuning names it, such as coop-128x256-4-2x1: mode, tile, stages, cluster.</summary>
    public override string Name => $"{(PingPong ? "pingpong" : "coop")}-{BlockM}x{BlockN}-{Stages}-{ClusterM}x{ClusterN}";

    /// <summary>Blocks of a cluster.</summary>
    public int Cluster => ClusterM * ClusterN;

    /// <summary>Blocks below each other that fetch a part of W for all of them: each, unless the parts were no whole groups of the
    /// swizzle's 8 rows (of five, four then).</summary>
    public int PartsN => BlockN % (8 * ClusterM) == 0 ? ClusterM : ClusterM - 1;

    public override KernelSource Source => KernelText.Source<GemmSm90Args>(
        "gemm_sm90", new("ELEMENT", Element.DeviceName()), new("OUTPUT", Output.DeviceName()), new("EPILOGUE", $"k{Epilogue}"),
        new("BLOCK_M", $"{BlockM}"), new("BLOCK_N", $"{BlockN}"), new("STAGES", $"{Stages}"), new("CONSUMERS", $"{Consumers}"),
        new("PING_PONG", PingPong ? "true" : "false"), new("CLUSTER_M", $"{ClusterM}"), new("CLUSTER_N", $"{ClusterN}"));

    public override int Threads => (Consumers + 1) * WarpgroupSize;

    public override int SharedBytes => base.SharedBytes + (2 * Stages * MBarrierBytes);

    public override IReadOnlyList<string> RequiredInstructions
    {
        get
        {
            string type = Element == ElementType.BF16 ? "bf16" : "f16";
            return
            [
                $"wgmma.mma_async.sync.aligned.m64n{BlockN}k16.f32.{type}.{type}", "cp.async.bulk.tensor.2d.shared::cluster.global",
                "setmaxnreg.inc", "mbarrier.try_wait.parity", "griddepcontrol.wait", "st.global.v4",
                .. Cluster > 1 ? ["multicast::cluster"] : Array.Empty<string>(),
            ];
        }
    }

    private protected override int ElementBytes => 2;

    // Each warp of a tile reads its bias, once for both of its slabs of 64 rows.
    private protected override int WarpsM => PingPong ? 4 : 4 * Consumers;

    private protected override int BiasPasses => 1;

    private protected override int RowPasses => 1;

    /// <summary>Rows and columns of clusters' tiles.</summary>
    public (long Rows, long Columns) ClusterTiles(GemmShape shape)
        => (CeilDiv(shape.M, ClusterM * BlockM), CeilDiv(shape.N, ClusterN * BlockN));

    /// <summary>Clusters to launch: each goes through tiles until none is left.</summary>
    /// <param name="shape">The product.</param>
    /// <param name="resident">Clusters that run at a time.</param>
    public int Clusters(GemmShape shape, int resident)
    {
        (long rows, long columns) = ClusterTiles(shape);
        return (int)Math.Min(resident, rows * columns);
    }

    /// <summary>What a launch moves: A once for each column of clusters' tiles, W once for each row of them, the residual
    /// and C once. Where folding applies, each column of tiles asks twice for A's moments, and the sums of W's rows go with the bias; where
    /// it prepares, the copy and moments of C go out once.</summary>
    public override KernelWork Work(GemmShape shape)
    {
        GemmBytes bytes = new(shape);
        (long rows, long columns) = ClusterTiles(shape);
        long asked = (bytes.A * columns) + (bytes.W * rows) + (bytes.Bias * rows * ClusterM * WarpsM) + bytes.Residual
            + (2 * bytes.Moments * columns * ClusterN);
        return bytes.Work(asked, bytes.Results);
    }

    public override int Band(GemmShape shape, int smCount)
    {
        double wave = Math.Max(1, smCount / Cluster);
        return (int)Math.Clamp(Math.Round(Math.Sqrt(wave * ClusterN * BlockN / (ClusterM * BlockM))), 1, ClusterTiles(shape).Rows);
    }

    private static int VectorOf(ElementType output) => 16 / output.ByteCount();
}
