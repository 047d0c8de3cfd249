namespace PixioCuda.Kernels;

/// <summary>Which tiles an attention is cut into. The key block decides the order of a row's sums: it depends on the model, the number of
/// tokens and the device alone. Everything else may follow the batch, since no row's bits depend on it.</summary>
internal static class AttentionTiles
{
    /// <summary>Keys that pass by at a time in half precision: equal blocks of at most 64, or 48.</summary>
    public static int KeyBlock(int tokens, int headDim)
    {
        // Registers bind: with two row tiles of heads of 80, context and queries take 120 beside 64 for the scores of 64 keys, and ptxas
        // spills; with 48 keys it does not.
        int most = headDim <= 64 ? 64 : 48;
        int blocks = AttentionShape.CeilDiv(tokens, most);
        // A step of tensor cores takes 16 keys; steps behind the last key are left out, so that 264 tokens cost 272 in any block.
        return AttentionShape.RoundUp(AttentionShape.CeilDiv(tokens, blocks), 16);
    }

    /// <summary>The same in float32, where a block is computed whole: that of 32, 24 or 16 keys that wastes least.</summary>
    /// <param name="tokens">T.</param>
    /// <param name="device">Its shared memory: two blocks are to fit into a multiprocessor, one must.</param>
    /// <param name="sharedBytes">What a key block needs.</param>
    public static int FloatKeyBlock(int tokens, DeviceLimits device, Func<int, int> sharedBytes)
    {
        // Barriers, rescaling and address arithmetic of a block cost about as much as 4 keys (9 of 73 instructions for each key of a lane).
        const int KeysOverhead = 4;
        int best = 0;
        long least = long.MaxValue;
        for (int resident = 2; resident > 0 && best == 0; resident--)
        {
            foreach (int keys in (ReadOnlySpan<int>)[32, 24, 16])
            {
                long cost = (long)AttentionShape.CeilDiv(tokens, keys) * (keys + KeysOverhead);
                if (Fit(device, sharedBytes(keys)) >= resident && cost < least)
                    (best, least) = (keys, cost);
            }
        }

        return best != 0 ? best : throw new NotSupportedException(
            $"Attention in float32 needs {sharedBytes(16)} bytes of shared memory for a block, and the device has "
            + $"{device.SharedBytesPerBlock}. Use half precision.");
    }

    /// <summary>Blocks of so much dynamic shared memory that fit into a multiprocessor at a time.</summary>
    public static int Fit(DeviceLimits device, int sharedBytes)
    {
        // The system takes 1 KB for each block.
        return sharedBytes > device.SharedBytesPerBlock ? 0 : device.SharedBytesPerSm / (sharedBytes + 1024);
    }

    /// <summary>Warps, row tiles and resident blocks in half precision: of a few shapes the one with which the busiest multiprocessor has
    /// least to do.</summary>
    public static (int Warps, int RowTiles, int BlocksPerSm) QueryTiles(AttentionShape shape, DeviceLimits device)
    {
        int padded = AttentionShape.RoundUp(shape.HeadDim, 16);
        // Registers bind: a thread needs up to 168 for one row tile of heads up to 96, 255 beyond or for two of heads up to 80.
        (int Warps, int RowTiles, int BlocksPerSm)[] choices = padded switch
        {
            <= 80 => [(4, 1, 3), (6, 1, 2), (4, 2, 2)],
            <= 96 => [(4, 1, 3), (6, 1, 2)],
            _ => [(4, 1, 2), (6, 1, 1)],
        };
        return choices.MinBy(choice => Cost(shape, device, choice.Warps, choice.RowTiles));
    }

    /// <summary>The time of the busiest multiprocessor, in units of what four warps (one for each of its parts) take for 16 rows.</summary>
    private static double Cost(AttentionShape shape, DeviceLimits device, int warps, int rowTiles)
    {
        long tiles = AttentionShape.CeilDiv(shape.QueryTokens, 16 * warps * rowTiles);
        long rounds = (tiles * shape.Heads * shape.Batch + device.SmCount - 1) / device.SmCount;
        // Fetching a head's keys and values takes about as long as one such step. A second row tile uses the first one's fragments, which
        // saves about 0.4 of a step: shared memory binds with one (256 bytes for each mma, 128 bytes a cycle).
        const double Fetch = 1, SecondRowTile = 0.6;
        return rounds * (Fetch + (warps / 4.0 * (1 + ((rowTiles - 1) * SecondRowTile))));
    }
}
