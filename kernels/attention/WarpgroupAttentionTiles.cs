namespace PixioCuda.Kernels;

/// <summary>Which tiles an attention by warpgroups is cut into. The keys of one product decide the order of a row's sums: they depend on the
/// model, the number of tokens and the device alone. Everything else may follow the batch, since no row's bits depend on it.</summary>
internal static class WarpgroupAttentionTiles
{
    // Scores of 64 x 176 and a context of 64 x 96 fit into the 240 registers of a thread.
    private const int MaxKeyBlock = 176;

    public static WarpgroupAttentionConfig Select(AttentionShape shape, DeviceLimits device)
        => AttentionShape.RoundUp(shape.Tokens, 16) <= ResidentAttentionConfig.MaxKeys ? Resident(shape, device) : Streamed(shape, device);

    private static ResidentAttentionConfig Resident(AttentionShape shape, DeviceLimits device)
    {
        int keys = AttentionShape.RoundUp(shape.Tokens, 16);
        // Two blocks of one warpgroup overlap one's loads and softmax with the other's products. Where shared memory has no room for two,
        // two warpgroups share keys and values.
        ResidentAttentionConfig config = new(shape.HeadDim, shape.Element, keys, 1, 2, 1);
        if (AttentionTiles.Fit(device, config.SharedBytes) < 2)
            config = config with { Warpgroups = 2, BlocksPerSm = 1 };
        int tiles = AttentionShape.CeilDiv(shape.QueryTokens, config.BlockRows);
        return Enumerable.Range(1, tiles).Select(blocks => config with { SharedBlocks = blocks }).MinBy(choice => Cost(choice, shape, device))!;
    }

    private static StreamedAttentionConfig Streamed(AttentionShape shape, DeviceLimits device)
    {
        int blocks = AttentionShape.CeilDiv(shape.Tokens, MaxKeyBlock);
        int keyBlock = AttentionShape.RoundUp(AttentionShape.CeilDiv(shape.Tokens, blocks), 16);
        StreamedAttentionConfig config = new(shape.HeadDim, shape.Element, keyBlock, Warpgroups: 2, Stages: 3);
        return AttentionTiles.Fit(device, config.SharedBytes) >= 1 ? config : config with { Stages = 2 };
    }

    /// <summary>The time of the busiest multiprocessor, in units of a tile of 64 queries.</summary>
    private static double Cost(ResidentAttentionConfig config, AttentionShape shape, DeviceLimits device)
    {
        // Bringing a head's keys and values takes about as long as one tile.
        const double Fetch = 1;
        long slots = (long)device.SmCount * config.BlocksPerSm, blocks = (long)config.SharedBlocks * shape.Heads * shape.Batch;
        int tiles = AttentionShape.CeilDiv(AttentionShape.CeilDiv(shape.QueryTokens, config.BlockRows), config.SharedBlocks);
        return AttentionShape.CeilDiv((int)Math.Min(blocks, int.MaxValue - slots), (int)slots) * (Fetch + tiles);
    }
}
