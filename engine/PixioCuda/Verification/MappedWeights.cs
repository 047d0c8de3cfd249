using System.Runtime.InteropServices;
using PixioCuda.Weights;

namespace PixioCuda.Verification;

/// <summary>A checkpoint whose values are changed as they are read; nothing of it is kept. Every tensor is F32 from here on.</summary>
internal abstract class MappedWeights : ITensorSource
{
    private readonly ITensorSource _source;

    protected MappedWeights(ITensorSource source)
    {
        _source = source;
        Tensors = source.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value with { DType = DType.F32 });
    }

    public abstract string Description { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> UnsupportedTensors => _source.UnsupportedTensors;

    public bool IsRandom => _source.IsRandom;

    protected string SourceDescription => _source.Description;

    public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (byteOffset % sizeof(float) != 0 || destination.Length % sizeof(float) != 0)
            throw new ArgumentException("Changed weights are read in whole elements.", nameof(byteOffset));
        Span<float> values = MemoryMarshal.Cast<byte, float>(destination);
        _source.ReadFloats(_source.Tensors[tensor.Name], byteOffset / sizeof(float), values);
        Map(tensor, byteOffset / sizeof(float), values);
    }

    public string FileOf(TensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return _source.FileOf(_source.Tensors[tensor.Name]);
    }

    public void ThrowIfChanged() => _source.ThrowIfChanged();

    /// <summary>Changes values in place.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="firstElement">The index of the first of the values.</param>
    /// <param name="values">The stored values.</param>
    protected abstract void Map(TensorInfo tensor, long firstElement, Span<float> values);

    /// <summary>The source belongs to whoever made it.</summary>
    public void Dispose()
    {
    }
}

/// <summary>Weights as half precision would hold them: rounded to nearest, ties to even, too large becomes infinity.</summary>
internal sealed class RoundedWeights(ITensorSource source, DType dtype) : MappedWeights(source)
{
    private const int BlockElements = 1 << 12;

    private long _overflowCount;

    public override string Description => $"{SourceDescription} in {dtype}";

    /// <summary>The finite weights read so far that became infinite.</summary>
    public long OverflowCount => Interlocked.Read(ref _overflowCount);

    protected override void Map(TensorInfo tensor, long firstElement, Span<float> values)
    {
        Span<byte> half = stackalloc byte[BlockElements * 2];
        while (!values.IsEmpty)
        {
            Span<float> block = values[..Math.Min(values.Length, BlockElements)];
            Span<byte> narrow = half[..(block.Length * dtype.ElementBytes())];
            long finite = CountFinite(block);
            TensorConversion.FromFloat32(dtype, block, narrow);
            TensorConversion.ToFloat32(dtype, narrow, block);
            long lost = finite - CountFinite(block);
            if (lost > 0)
                Interlocked.Add(ref _overflowCount, lost);
            values = values[block.Length..];
        }
    }

    private static long CountFinite(ReadOnlySpan<float> values)
    {
        long count = 0;
        foreach (float value in values)
            count += float.IsFinite(value) ? 1 : 0;
        return count;
    }
}

/// <summary>Weights each moved by one unit in the last place, up, down or not at all, by a hash of name and index. What that does to an
/// output is what rounding alone may do to it.</summary>
internal sealed class PerturbedWeights(ITensorSource source) : MappedWeights(source)
{
    public override string Description => $"{SourceDescription} moved by one unit in the last place";

    protected override void Map(TensorInfo tensor, long firstElement, Span<float> values)
    {
        ulong name = SyntheticValues.HashName(tensor.Name);
        for (int i = 0; i < values.Length; i++)
        {
            // Zero stays zero: its neighbours are subnormal, which no rounding of a trained weight gives.
            if (values[i] == 0 || !float.IsFinite(values[i]))
                continue;
            ulong hash = (name + (ulong)(firstElement + i)) * 0x9E3779B97F4A7C15;
            hash ^= hash >> 32;
            hash *= 0xD6E8FEB86659FD93;
            int step = (int)((hash >> 33) % 3) - 1;
            values[i] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(values[i]) + step);
        }
    }
}
