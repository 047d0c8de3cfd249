namespace PixioCuda.Kernels;

/// <summary>What an H100 or H200 is taken to do in a cycle: what the tables for the matrix products on sm_90a have in common.</summary>
internal static class Sm90Rates
{
    /// <summary>Multiply-adds of a multiprocessor in a cycle (H100 white paper). How many cycles a second has depends on the power that
    /// they take, but hardly on the tile.</summary>
    public const double MultiplyAdds = 2048;

    /// <summary>Bytes that shared memory gives the tensor cores of a multiprocessor in a cycle.</summary>
    public const double SharedBytes = 128;

    /// <summary>Bytes that the second-level cache gives in a cycle for each multiprocessor of the device: estimated, to be replaced by what
    /// is measured on a GPU. It gives what it has to those who ask: fewer get more each.</summary>
    public const double L2Bytes = 28;

    /// <summary>Bytes that come into one multiprocessor in a cycle at most, also those that other blocks of the cluster have asked for: two
    /// sectors. That copies to several blocks are no exception is an estimate; where they are, larger tiles lose little.</summary>
    public const double PortBytes = 64;

    /// <summary>Cycles of a tensor copy, from its issue to the end; estimated.</summary>
    public const double CopyLatency = 800;

    /// <summary>Cycles from the launch to the first product, and from the last store to the end.</summary>
    public const double Launch = 1000;

    /// <summary>Cycles in which a block already copies weights while it waits for the kernel in front of it: what lies between the end of that
    /// one and the end of the wait (1400, see bench/ExpectedTimes.cs), less what the block's own beginning takes; estimated.</summary>
    public const double HeadStart = 900;

    /// <summary>Cycles in which rows' scales come from moments, in front of a tile's products: two or three loads behind each other, and
    /// sums over lanes; estimated. A block's first tile waits for its first slice meanwhile; of others, the other warpgroup's products hide
    /// it where tiles go in turn.</summary>
    public const double Scales = 1000;

    // Of each sum on its way out: conversion, exchange and store; the error function; a residual; the multiply-add of a norm; a copy and
    // moments.
    private const double StoreInstructions = 4, GeluInstructions = 14, ResidualInstructions = 3, NormInstructions = 1, CopyInstructions = 5;

    // What a multiprocessor issues in a cycle.
    private const double Lanes = 128;

    /// <summary>Cycles in which the slices of a tile come to a multiprocessor, and those of them that a block's first tile does not wait for,
    /// since weights for all stages come before.</summary>
    /// <param name="rows">Rows of a tile, and the blocks that share the copies of A.</param>
    /// <param name="columns">Columns of a tile, and the blocks that share the copies of W.</param>
    /// <param name="slices">Slices of the tile's K.</param>
    /// <param name="stages">Slices that fit into shared memory.</param>
    /// <param name="share">Bytes that the second-level cache gives the multiprocessor in a cycle.</param>
    public static (double Cycles, double Ahead) Copies((int Count, int Sharers) rows, (int Count, int Sharers) columns, long slices, int stages, double share)
    {
        const int RowBytes = 2 * WarpgroupGemmConfig.SliceK;
        double w = Slice(0, columns.Count, columns.Count / (double)columns.Sharers);
        double both = Slice(rows.Count, columns.Count, (rows.Count / (double)rows.Sharers) + (columns.Count / (double)columns.Sharers));
        return (slices * both, Math.Min(HeadStart, Math.Min(slices, stages) * w));

        double Slice(int a, int b, double asked) => RowBytes * Math.Max(asked / share, (a + b) / PortBytes);
    }

    /// <summary>Cycles in which some sums leave a multiprocessor: instructions, or bytes to and from the second-level cache.</summary>
    public static double WayOut(GemmShape shape, double sums)
    {
        double instructions = StoreInstructions + (shape.Epilogue == GemmEpilogue.BiasGelu ? GeluInstructions : 0)
            + (shape.HasResidual ? ResidualInstructions : 0) + (shape.Folding == GemmFolding.Applies ? NormInstructions : 0)
            + (shape.Folding == GemmFolding.Prepares ? CopyInstructions : 0);
        double moved = shape.Output.ByteCount() + (shape.HasResidual ? shape.Residual.ByteCount() : 0);
        if (shape.Folding == GemmFolding.Prepares)
            moved += shape.Element.ByteCount() + ((double)GemmFoldingOperands.MomentByteCount / GemmFoldingOperands.MomentColumns);
        return sums * Math.Max(instructions / Lanes, moved / L2Bytes);
    }
}
