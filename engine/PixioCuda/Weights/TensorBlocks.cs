using System.Globalization;
using System.Runtime.InteropServices;

namespace PixioCuda.Weights;

/// <summary>Some elements of a tensor as they are to be stored.</summary>
/// <param name="Tensor">The tensor, typed as it is to be stored.</param>
/// <param name="Bytes">The elements; valid until the next block is asked for.</param>
internal readonly record struct TensorBlock(TensorInfo Tensor, ReadOnlyMemory<byte> Bytes);

/// <summary>Reads tensors from end to end in blocks of a few megabytes, converted to the type that they are to be stored in. The next
/// block is read and converted while the caller writes one: where the input comes from the disk, a sixth of the time.</summary>
internal static class TensorBlocks
{
    private const int BlockElements = 1 << 20;

    /// <summary>Every block of every tensor, in order.</summary>
    /// <param name="source">Where the tensors are; one thread reads it at a time.</param>
    /// <param name="tensors">The tensors, typed as they are to be stored.</param>
    /// <param name="cancellationToken">Looked at before every block.</param>
    /// <exception cref="ModelFormatException">A finite value is too large for the type that it is to be stored in.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IEnumerable<TensorBlock> Read(
        ITensorSource source, IReadOnlyList<TensorInfo> tensors, CancellationToken cancellationToken)
    {
        // The one that the caller has, and the one that is being read.
        Buffer current = new(), ahead = new();
        Task<TensorBlock> next = Task.FromResult(default(TensorBlock));
        try
        {
            using IEnumerator<(TensorInfo Tensor, long First)> positions = Positions(tensors).GetEnumerator();
            bool more = positions.MoveNext();
            if (more)
                next = ReadAhead(ahead, positions.Current);
            while (more)
            {
                TensorBlock block = next.GetAwaiter().GetResult();
                cancellationToken.ThrowIfCancellationRequested();
                (current, ahead) = (ahead, current);
                more = positions.MoveNext();
                if (more)
                    next = ReadAhead(ahead, positions.Current);
                yield return block;
            }
        }
        finally
        {
            // Nobody reads the source when the caller closes it, whatever became of that block.
            Task.WaitAny([next], CancellationToken.None);
        }

        Task<TensorBlock> ReadAhead(Buffer buffer, (TensorInfo Tensor, long First) at) =>
            Task.Run(() => new TensorBlock(at.Tensor, buffer.Read(source, at.Tensor, at.First)));
    }

    private static IEnumerable<(TensorInfo Tensor, long First)> Positions(IReadOnlyList<TensorInfo> tensors)
    {
        foreach (TensorInfo tensor in tensors)
        {
            for (long first = 0; first < tensor.ElementCount; first += BlockElements)
                yield return (tensor, first);
        }
    }

    private sealed class Buffer
    {
        private float[]? _values;
        private byte[]? _stored;

        public ReadOnlyMemory<byte> Read(ITensorSource source, TensorInfo tensor, long first)
        {
            int count = (int)Math.Min(BlockElements, tensor.ElementCount - first);
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
