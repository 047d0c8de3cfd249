namespace PixioCuda.Weights;

/// <summary>Shapes that nobody vouches for: their size, and whether two are the same.</summary>
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

    /// <summary>Whether two shapes have the same dimensions.</summary>
    public static bool AreEqual(IReadOnlyList<long> one, IReadOnlyList<long> other)
    {
        if (one.Count != other.Count)
            return false;
        for (int i = 0; i < one.Count; i++)
        {
            if (one[i] != other[i])
                return false;
        }

        return true;
    }
}
