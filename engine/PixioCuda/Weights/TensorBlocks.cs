using System.Globalization;
using System.Runtime.InteropServices;

namespace PixioCuda.Weights;

/// <summary>Some elements of a tensor as they are to be stored.</summary>
/// <param name="Tensor">The tensor, typed as it is to be stored.</param>
/// <param name="Bytes">The elements; valid until the next block is asked for.</param>
internal readonly record struct TensorBlock(TensorInfo Tensor, ReadOnlyMemory<byte> Bytes);

/// <summary>Reads tensors from end to end in blocks of a few megabytes, converted to the type that they are to be stored in. One thread
/// reads, converts and writes: a second one, which reads ahead or takes every other block, took more processor time and made a file in
/// the page cache no faster to convert; reading ahead of the disk is what the system does.</summary>
internal static class TensorBlocks
{
    private const int BlockElements = 1 << 20;

    /// <summary>Every block of every tensor, in order.</summary>
    /// <param name="source">Where the tensors are.</param>
    /// <param name="tensors">The tensors, typed as they are to be stored.</param>
    /// <param name="cancellationToken">Looked at before every block.</param>
    /// <exception cref="ModelFormatException">A finite value is too large for the type that it is to be stored in.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IEnumerable<TensorBlock> Read(
        ITensorSource source, IReadOnlyList<TensorInfo> tensors, CancellationToken cancellationToken)
    {
        Buffer buffer = new();
        foreach (TensorInfo tensor in tensors)
        {
            for (long first = 0; first < tensor.ElementCount; first += BlockElements)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int count = (int)Math.Min(BlockElements, tensor.ElementCount - first);
                yield return new TensorBlock(tensor, buffer.Read(source, tensor, first, count));
            }
        }
    }

    private sealed class Buffer
    {
        private float[]? _values;
        private byte[]? _stored;

        public ReadOnlyMemory<byte> Read(ITensorSource source, TensorInfo tensor, long first, int count)
        {
            TensorInfo from = source.Tensors[tensor.Name];
            _stored ??= new byte[BlockElements * sizeof(float)];
            int elementBytes = tensor.DType.ElementBytes();
            Memory<byte> stored = _stored.AsMemory(0, count * elementBytes);
            if (from.DType == tensor.DType)
            {
                source.ReadBytes(from, first * elementBytes, stored.Span);
                return stored;
            }

            if (tensor.DType == DType.F32)
            {
                source.ReadFloats(from, first, MemoryMarshal.Cast<byte, float>(stored.Span));
                return stored;
            }

            _values ??= new float[BlockElements];
            Span<float> values = _values.AsSpan(0, count);
            source.ReadFloats(from, first, values);
            RequireRange(source, tensor, first, values);
            TensorConversion.FromFloat32(tensor.DType, values, stored.Span);
            return stored;
        }

        private static void RequireRange(ITensorSource source, TensorInfo tensor, long first, ReadOnlySpan<float> values)
        {
            int index = TensorConversion.FindOverflow(tensor.DType, values);
            if (index >= 0)
            {
                string value = values[index].ToString(CultureInfo.InvariantCulture);
                throw new ModelFormatException(
                    $"The tensor {MessageText.Quote(tensor.Name)} of '{source.Description}' holds {value} at element {first + index}, "
                    + $"which {tensor.DType} cannot hold: it would become infinite. Store it in another type.");
            }
        }
    }
}
