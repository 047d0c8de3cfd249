namespace PixioCuda.Weights;

/// <summary>The size of shapes that nobody vouches for.</summary>
internal static class TensorShape
{
    /// <summary>The product of non-negative dimensions, or null where it, or that of the first few, is more than 2^63 - 1.</summary>
    public static long? CountElements(ReadOnlySpan<long> shape)
    {
        long product = 1;
        foreach (long dimension in shape)
        {
            Int128 wide = (Int128)product * dimension;
            if (wide > long.MaxValue)
                return null;
            product = (long)wide;
        }

        return product;
    }
}
