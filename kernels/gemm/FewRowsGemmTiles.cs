namespace PixioCuda.Kernels;

/// <summary>The tiles of gemm_few_sm90.cu and what each is expected to take: for products of few rows. Without parts of K they have the bits
/// of gemm_sm90.cu; with parts only where bits may depend on how many rows there are.</summary>
internal static class FewRowsGemmTiles
{
    // What a multiprocessor reads in a cycle of the shared memory of others in its cluster, and the cycles of two barriers of a cluster;
    // both estimated. Luo et al., "Benchmarking and Dissecting the Nvidia Hopper GPU Architecture" (2024), have 2.7 to 3.3 TB/s for an H800.
    private const double ClusterBytesPerCycle = 12, ClusterBarrierCycles = 600;

    // Three warps, of which four lanes share a token.
    private const int TokensOfScales = 24;

    private const int MostStages = 8, FewestStages = 3, LargestTile = 256, SmallestTile = 24;

    // With more rows than these reach, gemm_sm90.cu has large tiles enough; and more numbers of parts of the rows gain nothing.
    private const int MostWaves = 2, PartsToTry = 9;

    // A part of K that is shorter than the ring gains nothing.
    private const int FewestSlices = 4;

    // 192 weights are three warpgroups, which leave a lane registers for the sums of 176 tokens.
    private static readonly Tile[] Tiles = [new(64, 256), new(128, 256), new(192, 176)];

    private static readonly Cluster[] Clusters = AllClusters();

    /// <summary>All configurations that a product can have on a device such that its blocks come in two waves at most, with what each is
    /// expected to take; none where the product cannot go by wgmma, or has too many rows.</summary>
    /// <param name="shape">The product.</param>
    /// <param name="device">Where it will run.</param>
    /// <param name="splitsK">Whether blocks may share K, which gives other bits.</param>
    public static IEnumerable<GemmEstimate> Candidates(GemmShape shape, DeviceLimits device, bool splitsK)
    {
        // Loops: an engine that starts goes through all of this, and queries over numbers would be compiled anew each time.
        if (!WarpgroupGemmTiles.Allows(shape, device))
            yield break;
        foreach (Tile tile in Tiles)
        {
            foreach (int tokens in TokenTiles(shape.M))
            {
                foreach (Cluster cluster in Clusters)
                {
                    if (tokens <= tile.MostTokens && (splitsK || cluster.Splits == 1) && Fits(shape, tokens, tile.Weights, cluster, device)
                        && Config(shape, tokens, tile.Weights, cluster, device) is FewRowsGemmConfig config)
                        yield return Estimate(config, shape, device);
                }
            }
        }
    }

    private static Cluster[] AllClusters()
    {
        List<Cluster> clusters = [];
        for (int blocks = 1; blocks <= ClusterCounts.Most; blocks++)
        {
            for (int splits = 1; splits <= blocks; splits++)
            {
                for (int m = 1; m <= blocks / splits; m++)
                {
                    if (blocks % splits == 0 && blocks / splits % m == 0)
                        clusters.Add(new Cluster(m, blocks / splits / m, splits));
                }
            }
        }

        return [.. clusters];
    }

    /// <summary>The rows in one to many equal parts, of whole groups of 8: what wgmma's columns can be.</summary>
    private static IEnumerable<int> TokenTiles(int rows)
    {
        int least = Math.Min(SmallestTile, (rows + 7) / 8 * 8), last = 0;
        int first = (rows + LargestTile - 1) / LargestTile;
        for (int parts = first; parts < first + PartsToTry; parts++)
        {
            int tokens = (rows + (8 * parts) - 1) / (8 * parts) * 8;
            if (tokens < least)
                yield break;
            if (tokens != last && tokens <= LargestTile)
                yield return tokens;
            last = tokens;
            if (tokens == 8)
                yield break;
        }
    }

    /// <summary>Whether every block of a cluster has something to do, and they come in a few waves.</summary>
    private static bool Fits(GemmShape shape, int tokens, int weights, Cluster cluster, DeviceLimits device)
    {
        int rows = (shape.M + tokens - 1) / tokens, columns = (shape.N + weights - 1) / weights;
        if (cluster.M > rows || cluster.N > columns || (cluster.Splits > 1 && Slices(shape) < FewestSlices * cluster.Splits))
            return false;
        long clusters = (long)((rows + cluster.M - 1) / cluster.M) * ((columns + cluster.N - 1) / cluster.N);
        return clusters <= (long)MostWaves * device.Clusters[cluster.Blocks];
    }

    private static FewRowsGemmConfig? Config(GemmShape shape, int tokens, int weights, Cluster cluster, DeviceLimits device)
    {
        FewRowsGemmConfig one = new(
            shape.Element, shape.Output, tokens, weights, 1, cluster.M, cluster.N, cluster.Splits, shape.Epilogue);
        int stages = Math.Min(MostStages, (device.SharedBytesPerBlock - one.ScaleBytes) / (one.SharedBytes - one.ScaleBytes));
        FewRowsGemmConfig config = one with { Stages = stages };
        int ringBytes = stages * (tokens + weights) * WarpgroupGemmConfig.SliceK * shape.Element.ByteCount();
        return stages < FewestStages || config.SumBytes > ringBytes ? null : config;
    }

    private static long Waves(GemmShape shape, FewRowsGemmConfig config, DeviceLimits device)
    {
        long resident = device.Clusters[config.Cluster];
        return (config.Clusters(shape) + resident - 1) / resident;
    }

    private static int Slices(GemmShape shape) => (shape.K + WarpgroupGemmConfig.SliceK - 1) / WarpgroupGemmConfig.SliceK;

    private static GemmEstimate Estimate(FewRowsGemmConfig config, GemmShape shape, DeviceLimits device)
    {
        long clusters = config.Clusters(shape), waves = Waves(shape, config, device);
        int slices = (Slices(shape) + config.Splits - 1) / config.Splits;
        double sums = (double)config.BlockM * config.BlockN, k = slices * WarpgroupGemmConfig.SliceK;
        double multiply = sums * k / Sm90Rates.MultiplyAdds;
        // Each wgmma reads 64 weights and all tokens.
        double shared = config.BlockN / 64.0 * (64 + config.BlockM) * 2 * k / Sm90Rates.SharedBytes;
        double share = Sm90Rates.L2Bytes * device.SmCount * waves / (clusters * config.Cluster);
        (double copies, double ahead) = Sm90Rates.Copies(
            (config.BlockM, config.ClusterN), (config.BlockN, config.ClusterM), slices, config.Stages, share);
        double latency = slices * Sm90Rates.CopyLatency / config.Stages;
        // Meanwhile other warps put the tokens' moments together.
        double scales = shape.Folding == GemmFolding.Applies
            ? Math.Ceiling((double)config.BlockM / config.Splits / TokensOfScales) * Sm90Rates.Scales : 0;
        double mainloop = Mainloop(copies), first = Mainloop(copies - ahead);
        // All sums go through shared memory, there and back; those of the other parts of K come from other blocks.
        double turn = 2 * sums * sizeof(float) / Sm90Rates.SharedBytes, parts = config.Splits;
        double others = parts == 1 ? 0 : (sums * sizeof(float) * (parts - 1) / parts / ClusterBytesPerCycle) + ClusterBarrierCycles;
        double epilogue = turn + others + Sm90Rates.WayOut(shape, sums / parts);
        double cycles = Sm90Rates.Launch + first + epilogue + ((waves - 1) * (mainloop + epilogue));
        return new GemmEstimate(config, clusters, waves, mainloop, epilogue, cycles);

        double Mainloop(double copies) => Math.Max(Math.Max(Math.Max(multiply, shared), Math.Max(copies, latency)), scales);
    }

    /// <summary>Weights of a tile, and the most tokens of one.</summary>
    private sealed record Tile(int Weights, int MostTokens);

    /// <summary>Blocks along the tokens, the weights and K.</summary>
    private sealed record Cluster(int M, int N, int Splits)
    {
        public int Blocks => M * N * Splits;
    }
}
