using System.Runtime.InteropServices;

namespace PixioCuda.Weights;

/// <summary>Reading tensors of any stored type as float32.</summary>
internal static class TensorSourceExtensions
{
    // One read fills at most 256 MB, so that a span of bytes over the destination stays within an int.
    private const int LongestRead = 1 << 26;

    /// <summary>Reads elements of a tensor, converted to float32. Takes no memory: half-precision bytes are read into the upper half of
    /// the destination and widened in place.</summary>
    /// <param name="source">Where the tensor is.</param>
    /// <param name="tensor">One of the source's tensors.</param>
    /// <param name="firstElement">The first element to read, as a row-major index.</param>
    /// <param name="destination">Filled completely.</param>
    /// <exception cref="ModelFormatException">The file ends before the tensor does.</exception>
    public static void ReadFloats(this ITensorSource source, TensorInfo tensor, long firstElement, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        int elementBytes = tensor.DType.ElementBytes();
        while (!destination.IsEmpty)
        {
            Span<float> block = destination[..Math.Min(destination.Length, LongestRead)];
            Span<byte> stored = MemoryMarshal.AsBytes(block)[^(block.Length * elementBytes)..];
            source.ReadBytes(tensor, checked(firstElement * elementBytes), stored);
            TensorConversion.ToFloat32(tensor.DType, stored, block);
            firstElement += block.Length;
            destination = destination[block.Length..];
        }
    }
}
