namespace PixioCuda.Kernels;

/// <summary>How many neighbouring elements a lane moves with one access.</summary>
internal static class VectorWidth
{
    private const int AccessBytes = 16;

    /// <summary>The most elements that fit into 16 bytes of each type and divide a row of <paramref name="columns"/>, so that every row of
    /// rows that lie end to end begins at a whole access.</summary>
    public static int Widest(long columns, ElementType first, ElementType second)
    {
        int width = AccessBytes / Math.Max(first.ByteCount(), second.ByteCount());
        while (columns % width != 0)
            width /= 2;
        return width;
    }
}
