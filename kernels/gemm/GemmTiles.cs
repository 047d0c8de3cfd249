using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The tile shapes of the matrix products, and what each would take. All of them give the same bits.</summary>
internal static class GemmTiles
{
    // Cycles from asking global memory to having the answer, and those of a block's beginning and end with nothing to overlap them:
    // orders of magnitude for all devices, since they only weigh shapes against each other.
    private const double LatencyCycles = 700, BlockCycles = 1500;

    // What shared memory serves in a cycle.
    private const double SharedBytesPerCycle = 128;

    // Each block's shared memory costs 1 KB more than it asks for.
    private const int ReservedSharedBytes = 1024;

    private static readonly HalfTile[] HalfTiles =
    [
        // 64 x 64 a warp reads least of shared memory (a third less than 64 x 32), and its 128 sums and two sets of fragments just fit
        // into 255 registers: 8 warps on a multiprocessor.
        new(128, 256, 64, 64, 1),
        new(128, 128, 64, 64, 2),
        // 264 tokens are 2.75 x 96: at batch 1, fc1 of ViT-H is 3 x 40 tiles, one wave on 132 multiprocessors.
        new(96, 128, 48, 64, 2),
        new(64, 128, 32, 64, 3),
        new(64, 64, 32, 32, 4),
        // proj and fc2 at batch 1: 6 x 20 tiles.
        new(48, 64, 48, 16, 4),
        new(32, 64, 16, 32, 5),
        // Class tokens only: 8 rows. Bound by reading W, so narrow and many.
        new(16, 64, 16, 16, 6),
    ];

    private static readonly FloatTile[] FloatTiles =
    [
        // 8 x 8 a thread: as many cycles of shared memory as of multiply-adds; smaller ones only to fill the device.
        new(128, 128, 8, 1), new(64, 128, 8, 2), new(64, 64, 4, 3), new(32, 64, 2, 4),
    ];

    /// <summary>All configurations that a shape can have on a device, with the time that each is expected to take.</summary>
    public static IEnumerable<(GemmConfig Config, double Cycles)> Candidates(GemmShape shape, DeviceLimits device)
    {
        IEnumerable<GemmConfig> configs = shape.Element == ElementType.F32
            ? FloatTiles.Select(tile => Config(tile, shape, device))
            : HalfTiles.Select(tile => Config(tile, shape, device));
        return configs.Where(config => config.BlocksPerSm > 0).Select(config => (config, Cycles(config, shape, device)));
    }

    private static HalfGemmConfig Config(HalfTile tile, GemmShape shape, DeviceLimits device)
    {
        // Slices of 64 columns meet half as many barriers; with less than 200 KB of shared memory they leave no room for a second block.
        // Tiles of few rows need them for every thread to have something to copy.
        bool isRoomy = device.SharedBytesPerSm >= 200 << 10;
        int blockK = isRoomy || tile.BlockM % 32 != 0 ? 64 : 32;
        // A tile that is alone on its multiprocessor hides latency by stages, others by each other.
        int stages = tile.BlocksPerSm == 1 || tile.BlockM <= 32 ? 4 : 3;
        HalfGemmConfig config = new(
            shape.Element, shape.Output, shape.HasResidual ? shape.Residual : shape.Output, tile.BlockM, tile.BlockN, blockK, tile.WarpM, tile.WarpN,
            stages, tile.BlocksPerSm, shape.Epilogue, shape.CopyBytes, shape.VectorColumns, shape.HasGroups);
        return config with { BlocksPerSm = Resident(config, device) };
    }

    private static FloatGemmConfig Config(FloatTile tile, GemmShape shape, DeviceLimits device)
    {
        FloatGemmConfig config = new(
            tile.BlockM, tile.BlockN, tile.ThreadM, tile.ThreadM == 8 ? 2 : 3, tile.BlocksPerSm, shape.Epilogue, shape.CopyBytes, shape.VectorColumns,
            shape.HasGroups);
        return config with { BlocksPerSm = Resident(config, device) };
    }

    /// <summary>Blocks that shared memory and threads leave room for, at most those whose registers the tile was made for.</summary>
    private static int Resident(GemmConfig config, DeviceLimits device)
    {
        if (config.SharedBytes > device.SharedBytesPerBlock)
            return 0;
        int blocks = Math.Min(device.SharedBytesPerSm / (config.SharedBytes + ReservedSharedBytes), device.ThreadsPerSm / config.Threads);
        return Math.Min(blocks, config.BlocksPerSm);
    }

    /// <summary>The time that a multiprocessor with the most tiles takes: what its units need for all of them, or the latency of those that
    /// run one after another. Waves count whole: 133 tiles on 132 multiprocessors take as long as 264.</summary>
    private static double Cycles(GemmConfig config, GemmShape shape, DeviceLimits device)
    {
        (long rows, long columns) = config.Tiles(shape);
        long tilesPerSm = CeilDiv(rows * columns, device.SmCount);
        long generations = CeilDiv(tilesPerSm, Math.Min(config.BlocksPerSm, tilesPerSm));
        long slices = CeilDiv(shape.K, config.BlockK), paddedK = slices * config.BlockK;
        double area = (double)config.BlockM * config.BlockN, elementBytes = shape.Element.ByteCount();
        double sliceBytes = (config.BlockM + config.BlockN) * paddedK * elementBytes;
        double multiply = area * paddedK / MultiplyAddsPerCycle(shape.Element, device.ComputeCapability);
        double shared = (sliceBytes + FragmentBytes(config, paddedK)) / SharedBytesPerCycle;
        double tile = Math.Max(Math.Max(multiply, shared), sliceBytes / L2BytesPerCycle(device.ComputeCapability));
        double latency = generations * slices * LatencyCycles / (config.Stages - 1);
        return Math.Max(tilesPerSm * tile, latency) + (generations * BlockCycles);
    }

    /// <summary>What the warps of a block read of shared memory.</summary>
    private static double FragmentBytes(GemmConfig config, long paddedK) => config switch
    {
        HalfGemmConfig half => half.Threads / 32 * (half.WarpM + half.WarpN) * 2.0 * paddedK,
        // Lanes with the same rows share what they read: 4 THREAD_M rows and 64 columns a warp.
        FloatGemmConfig single => single.Threads / 32 * ((4.0 * single.ThreadM) + 64) * 4.0 * paddedK,
        _ => throw new ArgumentOutOfRangeException(nameof(config)),
    };

    /// <summary>Dense multiply-adds of a multiprocessor in a cycle.</summary>
    private static double MultiplyAddsPerCycle(ElementType element, ComputeCapability capability) => (element, capability) switch
    {
        (ElementType.F32, { Major: 8, Minor: 0 }) => 64,
        (ElementType.F32, _) => 128,
        (_, { Major: 8, Minor: 0 }) => 1024,
        // GeForce: bf16 and f16 with float32 sums.
        (_, { Major: 8 } or { Major: 12 }) => 256,
        // 2048 by wgmma; mma.sync is taken to reach 0.62 of that.
        _ => 1270,
    };

    /// <summary>What the second-level cache gives a multiprocessor in a cycle when all ask: estimates, to be replaced by measured figures.</summary>
    private static double L2BytesPerCycle(ComputeCapability capability) => capability switch
    {
        { Major: 8, Minor: 0 } => 36,
        { Major: 8 } or { Major: 12 } => 16,
        _ => 28,
    };

    private static long CeilDiv(long value, long divisor) => (value + divisor - 1) / divisor;

    private sealed record HalfTile(int BlockM, int BlockN, int WarpM, int WarpN, int BlocksPerSm);

    private sealed record FloatTile(int BlockM, int BlockN, int ThreadM, int BlocksPerSm);
}
