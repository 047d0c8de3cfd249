namespace PixioCuda.Weights;

/// <summary>The check that every tensor source makes before it reads.</summary>
internal static class TensorRange
{
    /// <summary>Throws unless a range of bytes lies inside a tensor.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not.</exception>
    public static void Check(TensorInfo tensor, long byteOffset, int byteCount)
    {
        if (byteOffset < 0 || byteOffset > tensor.ByteCount() - byteCount)
        {
            throw new ArgumentOutOfRangeException(nameof(byteOffset), byteOffset,
                $"{byteCount} bytes from byte {byteOffset} are not inside the tensor {MessageText.Quote(tensor.Name)} "
                + $"of {tensor.ByteCount()} bytes.");
        }
    }
}
