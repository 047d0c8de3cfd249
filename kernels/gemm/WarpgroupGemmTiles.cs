using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The tile shapes of gemm_sm90.cu and the wave table by which one is chosen. All of them give the same bits, so that the
/// choice may depend on how many rows there are; whether a product goes this way at all may not, and depends on its columns and types
/// alone.</summary>
internal static class WarpgroupGemmTiles
{
    // The largest leave the second-level cache the least to give; the widest is for few rows, and five tiles of 64 hold a picture of 264.
    private static readonly (int M, int N)[] Clusters = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 2), (2, 4), (5, 1)];

    private static readonly Tile[] Tiles =
    [
        // Up to 192 sums a lane: the largest tiles, which read least of shared memory and of the second-level cache.
        new(128, 256, 4, 2, false), new(256, 128, 4, 2, false), new(256, 192, 4, 2, false),
        new(128, 192, 5, 2, false), new(128, 160, 6, 2, false), new(128, 128, 6, 2, false),
        new(192, 160, 4, 3, false), new(192, 128, 5, 3, false),
        // In turn: the epilogue of one tile is hidden behind the products of the next.
        new(128, 192, 5, 2, true), new(128, 160, 6, 2, true), new(128, 128, 6, 2, true),
        new(64, 256, 5, 2, true), new(64, 224, 5, 2, true), new(64, 192, 6, 2, true), new(64, 160, 7, 2, true), new(64, 128, 8, 2, true),
        // Few rows: narrow tiles, so that every multiprocessor has one.
        new(64, 96, 8, 2, true), new(64, 64, 8, 2, true), new(64, 32, 8, 2, true),
    ];

    /// <summary>Whether a product can go this way on a device. Rows do not count: a picture's bits must not depend on its batch.</summary>
    public static bool Allows(GemmShape shape, DeviceLimits device)
        => device.ComputeCapability == new ComputeCapability(9, 0) && shape.Element != ElementType.F32 && !shape.HasGroups
            && HasWholeRows(shape) && HasKnownTypes(shape);

    /// <summary>All configurations that a product can have on a device, with what each is expected to take: the wave table.</summary>
    public static IEnumerable<GemmEstimate> Candidates(GemmShape shape, DeviceLimits device)
        => Tiles.Where(tile => HasWholeMoments(shape, tile))
            .SelectMany(tile => Clusters.Where(cluster => Shares(shape, tile, cluster)).Select(cluster => Config(shape, tile, cluster)))
            .Where(config => config.SharedBytes <= device.SharedBytesPerBlock && device.Clusters[config.Cluster] > 0)
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
            && ((cluster.N <= 2 && cluster.M <= 4) || tile.BlockM == 64);

    private static WarpgroupGemmConfig Config(GemmShape shape, Tile tile, (int M, int N) cluster) => new(
        shape.Element, shape.Output, tile.BlockM, tile.BlockN, tile.Stages, tile.Consumers, tile.PingPong, cluster.M, cluster.N,
        shape.Epilogue);

    private static GemmEstimate Estimate(WarpgroupGemmConfig config, GemmShape shape, DeviceLimits device)
    {
        (long tileRows, long tileColumns) = config.ClusterTiles(shape);
        long tiles = tileRows * tileColumns, clusters = config.Clusters(shape, device.Clusters[config.Cluster]);
        long waves = (tiles + clusters - 1) / clusters, slices = (shape.K + WarpgroupGemmConfig.SliceK - 1) / WarpgroupGemmConfig.SliceK;
        double area = (double)config.BlockM * config.BlockN, paddedK = slices * WarpgroupGemmConfig.SliceK;
        // Each wgmma of 64 rows reads its A and all of W's columns: 2 (64 + BLOCK_N) bytes along K.
        double multiply = area * paddedK / Sm90Rates.MultiplyAdds;
        double shared = config.BlockM / 64.0 * (64 + config.BlockN) * 2 * paddedK / Sm90Rates.SharedBytes;
        double share = Sm90Rates.L2Bytes * device.SmCount / (clusters * config.Cluster);
        (double copies, double ahead) = Sm90Rates.Copies(
            (config.BlockM, config.ClusterN), (config.BlockN, config.ClusterM), slices, config.Stages, share);
        double latency = slices * Sm90Rates.CopyLatency / config.Stages;
        double mainloop = Mainloop(copies), first = Mainloop(copies - ahead);
        double epilogue = Sm90Rates.WayOut(shape, area);
        double scales = shape.Folding == GemmFolding.Applies ? Sm90Rates.Scales : 0;
        double start = Sm90Rates.Launch + Math.Max(0, scales - Sm90Rates.CopyLatency);
        double cycles = config.PingPong
            ? start + Math.Max(first, epilogue / 2) + ((waves - 1) * Math.Max(mainloop, epilogue / 2)) + epilogue
            : start + first + epilogue + ((waves - 1) * (scales + mainloop + epilogue));
        return new GemmEstimate(config, tiles, waves, mainloop, epilogue, cycles);

        double Mainloop(double copies) => Math.Max(Math.Max(multiply, shared), Math.Max(copies, latency));
    }

    private sealed record Tile(int BlockM, int BlockN, int Stages, int Consumers, bool PingPong);
}
