using System.Buffers;
using System.Runtime.InteropServices;

namespace PixioCuda.Weights.PyTorch;

/// <summary>
/// Reads elements of a tensor whose neighbours need not be neighbours in its storage (a transposed one, one in channels-last order, one
/// that repeats a row) in row-major order. The storage is read in windows that go forward, of which only those with elements that are
/// wanted are read; memory is one window.
/// </summary>
internal static class StridedRead
{
    private const int WindowBytes = 1 << 22;

    /// <summary>Reads bytes of a storage from a position.</summary>
    public delegate void ReadStorage(long byteOffset, Span<byte> destination);

    /// <summary>Whether row-major order is the order in the storage.</summary>
    public static bool IsContiguous(TorchTensor tensor)
    {
        long expected = 1;
        for (int i = tensor.Shape.Length - 1; i >= 0; i--)
        {
            // Along a dimension of one element nothing moves.
            if (tensor.Shape[i] != 1 && tensor.Strides[i] != expected)
                return false;
            expected *= tensor.Shape[i];
        }

        return true;
    }

    /// <summary>Reads bytes of the row-major elements.</summary>
    /// <param name="tensor">What to read.</param>
    /// <param name="byteOffset">Where to begin; may be inside of an element.</param>
    /// <param name="destination">Filled completely.</param>
    /// <param name="read">Reads the storage.</param>
    public static void Fill(TorchTensor tensor, long byteOffset, Span<byte> destination, ReadStorage read)
    {
        int elementBytes = tensor.Storage.ElementBytes;
        (long first, int skipped) = (byteOffset / elementBytes, (int)(byteOffset % elementBytes));
        Span<byte> element = stackalloc byte[sizeof(ulong)];
        element = element[..elementBytes];
        if (skipped > 0 && !destination.IsEmpty)
        {
            FillElements(tensor, first++, element, read);
            int count = Math.Min(elementBytes - skipped, destination.Length);
            element.Slice(skipped, count).CopyTo(destination);
            destination = destination[count..];
        }

        int whole = destination.Length / elementBytes;
        FillElements(tensor, first, destination[..(whole * elementBytes)], read);
        destination = destination[(whole * elementBytes)..];
        if (!destination.IsEmpty)
        {
            FillElements(tensor, first + whole, element, read);
            element[..destination.Length].CopyTo(destination);
        }
    }

    private static void FillElements(TorchTensor tensor, long first, Span<byte> destination, ReadStorage read)
    {
        if (destination.IsEmpty)
            return;
        int elementBytes = tensor.Storage.ElementBytes;
        int windowElements = WindowBytes / elementBytes;
        byte[] window = ArrayPool<byte>.Shared.Rent((int)Math.Min(WindowBytes, tensor.Storage.ElementCount * elementBytes));
        try
        {
            // The first pass only finds where the first window begins; each of the others also finds the next window.
            long next = Scatter(tensor, first, destination, [], windowStart: -1, windowEnd: 0);
            while (next < long.MaxValue)
            {
                int count = (int)Math.Min(windowElements, tensor.Storage.ElementCount - next);
                Span<byte> bytes = window.AsSpan(0, count * elementBytes);
                read(next * elementBytes, bytes);
                next = Scatter(tensor, first, destination, bytes, next, next + count);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(window);
        }
    }

    private static long Scatter(
        TorchTensor tensor, long first, Span<byte> destination, ReadOnlySpan<byte> window, long windowStart, long windowEnd) =>
        tensor.Storage.ElementBytes switch
        {
            2 => Scatter(tensor, first, MemoryMarshal.Cast<byte, ushort>(destination), MemoryMarshal.Cast<byte, ushort>(window),
                windowStart, windowEnd),
            4 => Scatter(tensor, first, MemoryMarshal.Cast<byte, uint>(destination), MemoryMarshal.Cast<byte, uint>(window),
                windowStart, windowEnd),
            _ => throw new ArgumentException($"Tensors of {tensor.Storage.DTypeName} are not read.", nameof(tensor)),
        };

    /// <summary>Copies the elements that lie in a window.</summary>
    /// <returns>The first element of the storage behind the window that is wanted, or the largest number where none is.</returns>
    private static long Scatter<T>(
        TorchTensor tensor, long first, Span<T> destination, ReadOnlySpan<T> window, long windowStart, long windowEnd)
        where T : unmanaged
    {
        long[] shape = tensor.Shape, strides = tensor.Strides;
        int last = shape.Length - 1;
        long[] index = new long[shape.Length];
        long place = tensor.Offset;
        for (int i = last; i >= 0; i--)
        {
            (first, index[i]) = Math.DivRem(first, shape[i]);
            place += index[i] * strides[i];
        }

        long next = long.MaxValue;
        for (int i = 0; i < destination.Length; i++)
        {
            if (place >= windowEnd)
                next = Math.Min(next, place);
            else if (place >= windowStart && windowStart >= 0)
                destination[i] = window[(int)(place - windowStart)];

            for (int dimension = last; dimension >= 0; dimension--)
            {
                place += strides[dimension];
                if (++index[dimension] < shape[dimension])
                    break;
                place -= shape[dimension] * strides[dimension];
                index[dimension] = 0;
            }
        }

        return next;
    }
}
