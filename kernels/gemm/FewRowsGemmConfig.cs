using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The tunables of gemm_few_sm90.cu.</summary>
/// <param name="Element">The type of A and W.</param>
/// <param name="Output">The type of C.</param>
/// <param name="BlockM">Tokens of a tile.</param>
/// <param name="BlockN">Weights of a tile.</param>
/// <param name="Stages">Slices of 64 columns in shared memory.</param>
/// <param name="ClusterM">Blocks along the tokens, which share the copies of W.</param>
/// <param name="ClusterN">Blocks along the weights, which share the copies of A.</param>
/// <param name="Splits">Blocks along K, whose sums are added.</param>
/// <param name="Epilogue">What follows the product.</param>
internal sealed record FewRowsGemmConfig(
    ElementType Element, ElementType Output, int BlockM, int BlockN, int Stages, int ClusterM, int ClusterN, int Splits,
    GemmEpilogue Epilogue)
    : GemmConfig(BlockM, BlockN, WarpgroupGemmConfig.SliceK, Stages, 1, Epilogue, 16, ColumnsOfLane, false)
{
    /// <summary>Columns of C that a lane finishes at a time.</summary>
    public const int ColumnsOfLane = 4;

    private const int RowsOfWarpgroup = 64, ThreadsOfWarpgroup = 128, MBarrierBytes = 8, SwizzleRows = 8;

    /// <summary>Such as few-136x64-8-2x4x1: tokens x weights, stages, cluster along tokens x weights x K.</summary>
    public override string Name => $"few-{BlockM}x{BlockN}-{Stages}-{ClusterM}x{ClusterN}x{Splits}";

    /// <summary>Blocks of a cluster.</summary>
    public int Cluster => ClusterM * ClusterN * Splits;

    /// <summary>The rows of A that a block fetches for those that share them, and those of the last block that fetches any.</summary>
    public (int Rows, int Last) PartsM => Parts(BlockM, ClusterN);

    /// <summary>As <see cref="PartsM"/>, of W.</summary>
    public (int Rows, int Last) PartsN => Parts(BlockN, ClusterM);

    public override KernelSource Source => KernelText.Source<GemmFewSm90Args>(
        "gemm_few_sm90", new("ELEMENT", Element.DeviceName()), new("OUTPUT", Output.DeviceName()), new("EPILOGUE", $"k{Epilogue}"),
        new("BLOCK_M", $"{BlockM}"), new("BLOCK_N", $"{BlockN}"), new("STAGES", $"{Stages}"), new("CLUSTER_M", $"{ClusterM}"),
        new("CLUSTER_N", $"{ClusterN}"), new("SPLITS", $"{Splits}"));

    public override int Threads => ((BlockN / RowsOfWarpgroup) + 1) * ThreadsOfWarpgroup;

    public override int SharedBytes => base.SharedBytes + (2 * Stages * MBarrierBytes) + ScaleBytes;

    /// <summary>Mean and scale of the tile's tokens, where folding can apply.</summary>
    public int ScaleBytes => Epilogue is GemmEpilogue.Bias or GemmEpilogue.BiasGelu ? BlockM * GemmFoldingOperands.MomentByteCount : 0;

    /// <summary>The sums that take the stages' place, with four columns of padding.</summary>
    public int SumBytes => BlockM * (BlockN + 4) * sizeof(float);

    public override IReadOnlyList<string> RequiredInstructions
    {
        get
        {
            string type = Element == ElementType.BF16 ? "bf16" : "f16";
            return
            [
                $"wgmma.mma_async.sync.aligned.m64n{BlockM}k16.f32.{type}.{type}", "cp.async.bulk.tensor.2d.shared::cluster.global",
                "mbarrier.try_wait.parity", "griddepcontrol.wait",
                .. ClusterM * ClusterN > 1 ? ["multicast::cluster"] : Array.Empty<string>(),
                .. Splits > 1 ? ["ld.shared::cluster.v4"] : Array.Empty<string>(),
            ];
        }
    }

    private protected override int ElementBytes => 2;

    // Lanes behind each other finish other tokens of the same columns, and each warp reads their bias.
    private protected override int WarpsM => BlockN == RowsOfWarpgroup ? 4 : 8;

    private protected override int BiasPasses => 1;

    private protected override int RowPasses => 1;

    /// <summary>Clusters of a product.</summary>
    public long Clusters(GemmShape shape) => CeilDiv(shape.M, ClusterM * BlockM) * CeilDiv(shape.N, ClusterN * BlockN);

    /// <summary>What a launch moves: A once for each column of clusters' tiles, W once for each row of them, the residual and C once. Where
    /// folding applies, each column of tiles asks twice for A's moments, and the sums of W's rows go with the bias; where it prepares, the
    /// copy and moments of C go out once.</summary>
    public override KernelWork Work(GemmShape shape)
    {
        GemmBytes bytes = new(shape);
        long rows = CeilDiv(shape.M, ClusterM * BlockM), columns = CeilDiv(shape.N, ClusterN * BlockN);
        (long tileRows, long tileColumns) = Tiles(shape);
        long asked = (bytes.A * columns) + (bytes.W * rows) + (bytes.Bias * tileRows * Splits * WarpsM) + bytes.Residual
            + (2 * bytes.Moments * tileColumns);
        return bytes.Work(asked, bytes.Results);
    }

    private static (int Rows, int Last) Parts(int tileRows, int blocks)
    {
        int groups = tileRows / SwizzleRows, rows = (groups + blocks - 1) / blocks * SwizzleRows;
        return (rows, tileRows - ((tileRows - 1) / rows * rows));
    }
}
