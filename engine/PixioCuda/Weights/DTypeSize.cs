namespace PixioCuda.Weights;

/// <summary>How many bytes elements and tensors take.</summary>
internal static class DTypeSize
{
    /// <summary>The bytes of one element.</summary>
    public static int ElementBytes(this DType dtype) => dtype switch
    {
        DType.F32 => 4,
        DType.F16 or DType.BF16 => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "The element type is not one of F32, F16 and BF16."),
    };

    /// <summary>The bytes of a whole tensor as it is stored.</summary>
    public static long ByteCount(this TensorInfo tensor) => checked(tensor.ElementCount * tensor.DType.ElementBytes());
}
