using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>What a configuration of gemm_sm90.cu is expected to take for one product.</summary>
/// <param name="Config">The configuration.</param>
/// <param name="Tiles">Tiles of the product, counted in clusters.</param>
/// <param name="Waves">Tiles that the busiest multiprocessor goes through.</param>
/// <param name="MainloopCycles">Of one tile's products.</param>
/// <param name="EpilogueCycles">Of one tile's way out.</param>
/// <param name="Cycles">Of the whole launch.</param>
internal sealed record WarpgroupGemmEstimate(
    WarpgroupGemmConfig Config, long Tiles, long Waves, double MainloopCycles, double EpilogueCycles, double Cycles);

/// <summary>The tile shapes of gemm_sm90.cu and the wave table by which one is chosen. All of them give the same bits, so that the
/// choice may depend on how many rows there are; whether a product goes this way at all may not, and depends on its columns and types
/// alone.</summary>
internal static class WarpgroupGemmTiles
{
    // Multiply-adds of a multiprocessor in a cycle (H100 white paper), and what shared memory gives the tensor cores in one. How many
    // cycles a second has depends on the power that they take, but hardly on the tile.
    private const double MultiplyAddsPerCycle = 2048, SharedBytesPerCycle = 128;

    // What the second-level cache gives a multiprocessor in a cycle when all ask, and the cycles of a tensor copy; both estimated, to be
    // replaced by what is measured on a GPU.
    private const double L2BytesPerCycle = 28, CopyLatencyCycles = 800;

    // From the launch to the first product, and from the last store to the end.
    private const double LaunchCycles = 1500;

    // Rows' scales from moments, in front of a tile's products: two or three loads behind each other, and sums over lanes; estimated too. A
    // block's first tile waits for its first slice meanwhile; of others, the other warpgroup's products hide it where tiles go in turn.
    private const double ScaleCycles = 1000;

    // Instructions of the way out for each sum, by what is computed: conversion, exchange and store; the error function; a residual; the
    // multiply-add of a norm; a copy and moments.
    private const double StoreInstructions = 4, GeluInstructions = 14, ResidualInstructions = 3, NormInstructions = 1, CopyInstructions = 5;

    // Moments that are left, for each sum.
    private const double MomentBytes = (double)GemmFoldingOperands.MomentByteCount / GemmFoldingOperands.MomentColumns;

    // What a multiprocessor issues in a cycle.
    private const double LanesPerCycle = 128;

    // The largest leave the second-level cache the least to give; the widest is for few rows.
    private static readonly (int M, int N)[] Clusters = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 2), (2, 4)];

    private static readonly Tile[] Tiles =
    [
        // Up to 192 sums a lane: the largest tiles, which read least of shared memory and of the second-level cache.
        new(128, 256, 4, 2, false), new(256, 128, 4, 2, false), new(256, 192, 4, 2, false),
        new(128, 192, 5, 2, false), new(128, 160, 6, 2, false), new(128, 128, 6, 2, false),
        new(192, 160, 4, 3, false), new(192, 128, 5, 3, false),
        // In turn: the epilogue of one tile is hidden behind the products of the next.
        new(128, 192, 5, 2, true), new(128, 160, 6, 2, true), new(128, 128, 6, 2, true),
        new(64, 256, 5, 2, true), new(64, 192, 6, 2, true), new(64, 128, 8, 2, true),
        // Few rows: narrow tiles, so that every multiprocessor has one.
        new(64, 96, 8, 2, true), new(64, 64, 8, 2, true), new(64, 32, 8, 2, true),
    ];

    /// <summary>Whether a product can go this way on a device. Rows do not count: a picture's bits must not depend on its batch.</summary>
    public static bool Allows(GemmShape shape, DeviceLimits device)
        => device.ComputeCapability == new ComputeCapability(9, 0) && shape.Element != ElementType.F32 && !shape.HasGroups
            && HasWholeRows(shape) && HasKnownTypes(shape);

    /// <summary>All configurations that a product can have on a device, with what each is expected to take: the wave table.</summary>
    public static IEnumerable<WarpgroupGemmEstimate> Candidates(GemmShape shape, DeviceLimits device)
        => Tiles.Where(tile => HasWholeMoments(shape, tile))
            .SelectMany(tile => Clusters.Where(cluster => Shares(shape, tile, cluster)).Select(cluster => Config(shape, tile, cluster)))
            .Where(config => config.SharedBytes <= device.SharedBytesPerBlock)
            .Select(config => Estimate(config, shape, device));

    // Tensor copies take rows of whole 16 bytes, and so do stores.
    private static bool HasWholeRows(GemmShape shape)
        => shape.K % 8 == 0 && shape.N % 8 == 0 && shape.A.Pitch % 8 == 0 && shape.C.Pitch == shape.N
            && (!shape.HasResidual || shape.R.Pitch == shape.N);

    private static bool HasKnownTypes(GemmShape shape)
        => shape.Output == ElementType.F32 ? !shape.HasResidual || shape.Residual == ElementType.F32
            : shape.Output == shape.Element && !shape.HasResidual;

    /// <summary>Moments are taken within a tile.</summary>
    private static bool HasWholeMoments(GemmShape shape, Tile tile)
        => shape.Folding != GemmFolding.Prepares || tile.BlockN % GemmFoldingOperands.MomentColumns == 0;

    /// <summary>Whether the blocks of a cluster have something to share: with one row or column of tiles there is nothing.</summary>
    private static bool Shares(GemmShape shape, Tile tile, (int M, int N) cluster)
        => (cluster.M == 1 || shape.M > cluster.M / 2 * tile.BlockM) && (cluster.N == 1 || shape.N > tile.BlockN)
            && (cluster.N <= 2 || tile.BlockM == 64);

    private static WarpgroupGemmConfig Config(GemmShape shape, Tile tile, (int M, int N) cluster) => new(
        shape.Element, shape.Output, tile.BlockM, tile.BlockN, tile.Stages, tile.Consumers, tile.PingPong, cluster.M, cluster.N,
        shape.Epilogue, shape.Folding);

    private static WarpgroupGemmEstimate Estimate(WarpgroupGemmConfig config, GemmShape shape, DeviceLimits device)
    {
        (long tileRows, long tileColumns) = config.ClusterTiles(shape);
        long tiles = tileRows * tileColumns, clusters = config.Clusters(shape, config.ResidentClusters(device.SmCount));
        long waves = (tiles + clusters - 1) / clusters, slices = (shape.K + WarpgroupGemmConfig.SliceK - 1) / WarpgroupGemmConfig.SliceK;
        double area = (double)config.BlockM * config.BlockN, paddedK = slices * WarpgroupGemmConfig.SliceK;
        // Each wgmma of 64 rows reads its A and all of W's columns: 2 (64 + BLOCK_N) bytes along K.
        double multiply = area * paddedK / MultiplyAddsPerCycle;
        double shared = config.BlockM / 64.0 * (64 + config.BlockN) * 2 * paddedK / SharedBytesPerCycle;
        double rows = ((double)config.BlockM / config.ClusterN) + ((double)config.BlockN / config.ClusterM);
        double copies = rows * 2 * paddedK / L2BytesPerCycle;
        double latency = slices * CopyLatencyCycles / config.Stages;
        double mainloop = Math.Max(Math.Max(multiply, shared), Math.Max(copies, latency));
        double instructions = StoreInstructions + (shape.Epilogue == GemmEpilogue.BiasGelu ? GeluInstructions : 0)
            + (shape.HasResidual ? ResidualInstructions : 0) + (shape.Folding == GemmFolding.Applies ? NormInstructions : 0)
            + (shape.Folding == GemmFolding.Prepares ? CopyInstructions : 0);
        double moved = shape.Output.ByteCount() + (shape.HasResidual ? shape.Residual.ByteCount() : 0)
            + (shape.Folding == GemmFolding.Prepares ? shape.Element.ByteCount() + MomentBytes : 0);
        double epilogue = area * Math.Max(instructions / LanesPerCycle, moved / L2BytesPerCycle);
        double scales = shape.Folding == GemmFolding.Applies ? ScaleCycles : 0;
        double start = LaunchCycles + Math.Max(0, scales - CopyLatencyCycles);
        double cycles = config.PingPong
            ? start + (waves * Math.Max(mainloop, epilogue / 2)) + epilogue
            : start + (waves * (mainloop + epilogue)) + ((waves - 1) * scales);
        return new WarpgroupGemmEstimate(config, tiles, waves, mainloop, epilogue, cycles);
    }

    private sealed record Tile(int BlockM, int BlockN, int Stages, int Consumers, bool PingPong);
}
