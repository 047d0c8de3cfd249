using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>One way of compiling a matrix product: what gemm.cu, gemm_f32.cu and gemm_sm90.cu have in common.</summary>
internal abstract record GemmConfig(
    int BlockM, int BlockN, int BlockK, int Stages, int BlocksPerSm, GemmEpilogue Epilogue, int CopyBytes, int Vector, bool GroupedRows)
    : IKernelConfig
{
    private protected const int WarpSize = 32;

    public abstract KernelSource Source { get; }

    /// <summary>How tuning and tables name it.</summary>
    public virtual string Name => Source.Title;

    public abstract int Threads { get; }

    public virtual int SharedBytes => Stages * (BlockM + BlockN) * BlockK * ElementBytes;

    // What keeps BlocksPerSm blocks resident: registers come in units of 8 a thread, and an instruction can name 255.
    public int RegisterBudget => Math.Min(65536 / (Threads * BlocksPerSm) / 8 * 8, 255);

    public abstract IReadOnlyList<string> RequiredInstructions { get; }

    private protected abstract int ElementBytes { get; }

    /// <summary>Warps that share the rows of a tile: each of them reads the tile's bias.</summary>
    private protected abstract int WarpsM { get; }

    /// <summary>How often a sector of 32 bytes of the bias is asked for by one warp.</summary>
    private protected abstract int BiasPasses { get; }

    /// <summary>How often a sector of C or of the residual is asked for: once when a lane's columns go with one access.</summary>
    private protected abstract int RowPasses { get; }

    /// <summary>Tile rows and columns of a shape.</summary>
    public (long Rows, long Columns) Tiles(GemmShape shape) => (CeilDiv(shape.M, BlockM), CeilDiv(shape.N, BlockN));

    /// <summary>What a launch moves: A once for each column of tiles, W once for each row of tiles, the residual and C once.</summary>
    public virtual KernelWork Work(GemmShape shape)
    {
        GemmBytes bytes = new(shape);
        (long rows, long columns) = Tiles(shape);
        long row = (long)shape.K * shape.Element.ByteCount();
        long asked = (AskedRows(shape.M, BlockM) * row * columns) + (AskedRows(shape.N, BlockN) * row * rows)
            + (bytes.Bias * rows * WarpsM * BiasPasses) + (bytes.Residual * RowPasses);
        return bytes.Work(asked, bytes.Results * RowPasses);
    }

    /// <summary>Rows of tiles that go together, so that the blocks which run at a time ask for as few rows of A and W as possible: those of
    /// a wave of band x n tiles are fewest when band tiles are as high as n are wide.</summary>
    public virtual int Band(GemmShape shape, int smCount)
    {
        double wave = (double)smCount * BlocksPerSm;
        return (int)Math.Clamp(Math.Round(Math.Sqrt(wave * BlockN / BlockM)), 1, Tiles(shape).Rows);
    }

    private protected static long CeilDiv(long value, long divisor) => (value + divisor - 1) / divisor;

    // Behind the last row lie copies of it. They cost nothing where one of a warp's rows exists, else one row.
    private long AskedRows(int rows, int block)
    {
        int rowsAtOnce = Math.Max(1, WarpSize * CopyBytes / (BlockK * ElementBytes));
        return rows + (((CeilDiv(rows, block) * block) - rows) / rowsAtOnce);
    }
}

/// <summary>The tunables of gemm.cu.</summary>
internal sealed record HalfGemmConfig(
    ElementType Element, ElementType Output, ElementType Residual, int BlockM, int BlockN, int BlockK, int WarpM, int WarpN, int Stages,
    int BlocksPerSm, GemmEpilogue Epilogue, int CopyBytes, int Vector, bool GroupedRows)
    : GemmConfig(BlockM, BlockN, BlockK, Stages, BlocksPerSm, Epilogue, CopyBytes, Vector, GroupedRows)
{
    public override KernelSource Source => KernelText.Source<GemmArgs>(
        "gemm", new("ELEMENT", Element.DeviceName()), new("OUTPUT", Output.DeviceName()), new("RESIDUAL", Residual.DeviceName()),
        new("EPILOGUE", $"k{Epilogue}"), new("BLOCK_M", $"{BlockM}"), new("BLOCK_N", $"{BlockN}"), new("BLOCK_K", $"{BlockK}"),
        new("WARP_M", $"{WarpM}"), new("WARP_N", $"{WarpN}"), new("STAGES", $"{Stages}"), new("BLOCKS_PER_SM", $"{BlocksPerSm}"),
        new("COPY_BYTES", $"{CopyBytes}"), new("VECTOR", $"{Vector}"), new("GROUPED_ROWS", GroupedRows ? "true" : "false"));

    public override int Threads => BlockM / WarpM * (BlockN / WarpN) * WarpSize;

    public override IReadOnlyList<string> RequiredInstructions
    {
        get
        {
            string type = Element == ElementType.BF16 ? "bf16" : "f16";
            List<string> instructions = [$"mma.sync.aligned.m16n8k16.row.col.f32.{type}.{type}.f32", "ldmatrix.sync.aligned.m8n8.x4"];
            if (CopyBytes > 2)
                instructions.Add(CopyBytes == 16 ? "cp.async.cg.shared.global" : "cp.async.ca.shared.global");
            if (Vector * Output.ByteCount() == 16)
                instructions.Add("st.global.v4");
            return instructions;
        }
    }

    private protected override int ElementBytes => 2;

    private protected override int WarpsM => BlockM / WarpM;

    // 8 columns a lane are two accesses, each to half of every sector.
    private protected override int BiasPasses => Vector == 8 ? 2 : 1;

    private protected override int RowPasses => 1;
}

/// <summary>The tunables of gemm_f32.cu.</summary>
internal sealed record FloatGemmConfig(
    int BlockM, int BlockN, int ThreadM, int Stages, int BlocksPerSm, GemmEpilogue Epilogue, int CopyBytes, int Vector, bool GroupedRows)
    : GemmConfig(BlockM, BlockN, 32, Stages, BlocksPerSm, Epilogue, CopyBytes, Vector, GroupedRows)
{
    /// <summary>How many products are summed in one accumulator before it is added to the others.</summary>
    public const int ChunkK = 256;

    public override KernelSource Source => KernelText.Source<GemmArgs>(
        "gemm_f32", new("EPILOGUE", $"k{Epilogue}"), new("BLOCK_M", $"{BlockM}"), new("BLOCK_N", $"{BlockN}"), new("THREAD_M", $"{ThreadM}"),
        new("STAGES", $"{Stages}"), new("BLOCKS_PER_SM", $"{BlocksPerSm}"), new("CHUNK_K", $"{ChunkK}"), new("COPY_BYTES", $"{CopyBytes}"),
        new("VECTOR", $"{Vector}"), new("GROUPED_ROWS", GroupedRows ? "true" : "false"));

    public override int Threads => BlockM / (4 * ThreadM) * (BlockN / 64) * WarpSize;

    public override IReadOnlyList<string> RequiredInstructions
        => ["fma.rn.f32", "ld.shared.v4", CopyBytes == 16 ? "cp.async.cg.shared.global" : "cp.async.ca.shared.global"];

    private protected override int ElementBytes => 4;

    private protected override int WarpsM => BlockM / (4 * ThreadM);

    private protected override int BiasPasses => RowPasses;

    // A lane's 4 columns lie side by side; where they go one by one, each access meets every sector.
    private protected override int RowPasses => 4 / Vector;
}
