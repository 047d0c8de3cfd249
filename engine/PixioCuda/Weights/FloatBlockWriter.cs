using System.Runtime.InteropServices;

namespace PixioCuda.Weights;

/// <summary>Appends float32 values to a file in a stored type, converting block by block in one buffer.</summary>
internal sealed class FloatBlockWriter(AtomicFile file)
{
    private const int BlockElements = 1 << 16;

    private byte[]? _block;

    /// <summary>Appends values.</summary>
    public void Append(DType dtype, ReadOnlySpan<float> values)
    {
        while (!values.IsEmpty)
        {
            ReadOnlySpan<float> head = values[..Math.Min(values.Length, BlockElements)];
            if (dtype == DType.F32)
            {
                file.Append(MemoryMarshal.AsBytes(head));
            }
            else
            {
                _block ??= new byte[BlockElements * dtype.ElementBytes()];
                Span<byte> stored = _block.AsSpan(0, head.Length * dtype.ElementBytes());
                TensorConversion.FromFloat32(dtype, head, stored);
                file.Append(stored);
            }

            values = values[head.Length..];
        }
    }
}
