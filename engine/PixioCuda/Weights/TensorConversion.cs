using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PixioCuda.Weights;

/// <summary>Stored elements (little-endian) to and from float32.</summary>
internal static class TensorConversion
{
    // 2^112: what separates the exponent biases of binary32 (127) and binary16 (15).
    private const float HalfScale = 5.192296858534828e33f;

    /// <summary>Widens stored elements; exact, and a NaN stays a NaN of the same sign.</summary>
    /// <param name="dtype">What is stored.</param>
    /// <param name="source">As many elements as the destination takes; may be the upper end of the destination itself.</param>
    /// <param name="destination">Filled completely.</param>
    public static void ToFloat32(DType dtype, ReadOnlySpan<byte> source, Span<float> destination)
    {
        CheckLengths(dtype, source.Length, destination.Length);
        switch (dtype)
        {
            case DType.F32:
                source.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case DType.BF16:
                WidenBFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            default:
                WidenFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
        }
    }

    /// <summary>Narrows to the stored type: to nearest, ties to even, too large becomes infinity, a NaN stays a NaN.</summary>
    /// <param name="dtype">What to store.</param>
    /// <param name="source">The values.</param>
    /// <param name="destination">Takes as many elements as there are values; filled completely.</param>
    public static void FromFloat32(DType dtype, ReadOnlySpan<float> source, Span<byte> destination)
    {
        CheckLengths(dtype, destination.Length, source.Length);
        switch (dtype)
        {
            case DType.F32:
                MemoryMarshal.AsBytes(source).CopyTo(destination);
                break;
            case DType.BF16:
                NarrowToBFloat16(source, MemoryMarshal.Cast<byte, ushort>(destination));
                break;
            default:
                NarrowToFloat16(source, MemoryMarshal.Cast<byte, ushort>(destination));
                break;
        }
    }

    /// <summary>The index of the first finite value that narrowing would make infinite, or -1 where there is none.</summary>
    /// <param name="dtype">What to store.</param>
    /// <param name="source">The values.</param>
    public static int FindOverflow(DType dtype, ReadOnlySpan<float> source)
    {
        // What is half a unit beyond the largest finite value, or more, is rounded to infinity.
        float limit = dtype switch
        {
            DType.F16 => 65520f,
            DType.BF16 => BitConverter.UInt32BitsToSingle(0x7F7F_8000),
            _ => float.PositiveInfinity,
        };
        int i = 0;
        if (Vector.IsHardwareAccelerated)
        {
            ref float values = ref MemoryMarshal.GetReference(source);
            for (; i <= source.Length - Vector<float>.Count; i += Vector<float>.Count)
            {
                var magnitude = Vector.Abs(Vector.LoadUnsafe(ref values, (nuint)i));
                Vector<int> isOver = Vector.GreaterThanOrEqual(magnitude, new Vector<float>(limit))
                    & Vector.LessThan(magnitude, new Vector<float>(float.PositiveInfinity));
                if (isOver != Vector<int>.Zero)
                    break;
            }
        }

        for (; i < source.Length; i++)
        {
            float magnitude = MathF.Abs(source[i]);
            if (magnitude >= limit && magnitude < float.PositiveInfinity)
                return i;
        }

        return -1;
    }

    private static void CheckLengths(DType dtype, int byteCount, int elementCount)
    {
        if ((long)elementCount * dtype.ElementBytes() != byteCount)
            throw new ArgumentException($"{byteCount} bytes are not {elementCount} elements of {dtype}.");
    }

    // Both loops below load a block before they store it and go upwards: that is what lets the source be the upper half of the
    // destination, where element i is stored at byte 4 i and lies at byte 2 n + 2 i.
    private static void WidenBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        ref ushort from = ref MemoryMarshal.GetReference(source);
        ref float to = ref MemoryMarshal.GetReference(destination);
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(Vector.LoadUnsafe(ref from, (nuint)i), out Vector<uint> low, out Vector<uint> high);
            Vector.AsVectorSingle(low << 16).StoreUnsafe(ref to, (nuint)i);
            Vector.AsVectorSingle(high << 16).StoreUnsafe(ref to, (nuint)(i + Vector<uint>.Count));
        }

        for (; i < source.Length; i++)
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
    }

    private static void WidenFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        ref ushort from = ref MemoryMarshal.GetReference(source);
        ref float to = ref MemoryMarshal.GetReference(destination);
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(Vector.LoadUnsafe(ref from, (nuint)i), out Vector<uint> low, out Vector<uint> high);
            WidenFloat16(low).StoreUnsafe(ref to, (nuint)i);
            WidenFloat16(high).StoreUnsafe(ref to, (nuint)(i + Vector<uint>.Count));
        }

        for (; i < source.Length; i++)
            destination[i] = WidenFloat16(new Vector<uint>(source[i]))[0];
    }

    /// <summary>Binary16 bits, one to a lane: the fields are moved to their places and the exponent is mended by an exact multiplication,
    /// which also normalises subnormals; the all-ones exponent of infinities and NaNs is put in by hand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> WidenFloat16(Vector<uint> bits)
    {
        Vector<uint> magnitude = bits & new Vector<uint>(0x7FFF);
        Vector<uint> sign = (bits & new Vector<uint>(0x8000)) << 16;
        Vector<uint> shifted = magnitude << 13;
        Vector<uint> finite = Vector.AsVectorUInt32(Vector.AsVectorSingle(shifted) * new Vector<float>(HalfScale));
        Vector<uint> special = shifted | new Vector<uint>(0x7F80_0000);
        Vector<uint> isFinite = Vector.LessThan(magnitude, new Vector<uint>(0x7C00));
        return Vector.AsVectorSingle(Vector.ConditionalSelect(isFinite, finite, special) | sign);
    }

    private static void NarrowToBFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        ref float from = ref MemoryMarshal.GetReference(source);
        ref ushort to = ref MemoryMarshal.GetReference(destination);
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector<uint> low = NarrowToBFloat16(Vector.LoadUnsafe(ref from, (nuint)i));
            Vector<uint> high = NarrowToBFloat16(Vector.LoadUnsafe(ref from, (nuint)(i + Vector<float>.Count)));
            Vector.Narrow(low, high).StoreUnsafe(ref to, (nuint)i);
        }

        for (; i < source.Length; i++)
            destination[i] = (ushort)NarrowToBFloat16(new Vector<float>(source[i]))[0];
    }

    /// <summary>The bits of a bfloat16, one to a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> NarrowToBFloat16(Vector<float> values)
    {
        var bits = Vector.AsVectorUInt32(values);
        // Adding just under half a unit, and one more where the kept part is odd, carries exactly when rounding goes up. A NaN must
        // not carry into an infinity: it is cut off and made quiet.
        Vector<uint> rounded = bits + new Vector<uint>(0x7FFF) + ((bits >>> 16) & Vector<uint>.One);
        Vector<uint> isNaN = Vector.GreaterThan(bits & new Vector<uint>(0x7FFF_FFFF), new Vector<uint>(0x7F80_0000));
        return Vector.ConditionalSelect(isNaN, bits | new Vector<uint>(0x0040_0000), rounded) >>> 16;
    }

    private static void NarrowToFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        ref float from = ref MemoryMarshal.GetReference(source);
        ref ushort to = ref MemoryMarshal.GetReference(destination);
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector<uint> low = NarrowToFloat16(Vector.LoadUnsafe(ref from, (nuint)i));
            Vector<uint> high = NarrowToFloat16(Vector.LoadUnsafe(ref from, (nuint)(i + Vector<float>.Count)));
            Vector.Narrow(low, high).StoreUnsafe(ref to, (nuint)i);
        }

        for (; i < source.Length; i++)
            destination[i] = (ushort)NarrowToFloat16(new Vector<float>(source[i]))[0];
    }

    /// <summary>The bits of a binary16, one to a lane: rounded as above at bit 13 with the exponent moved to its new bias; below 2^-14,
    /// where halves have a fixed spacing of 2^-24, by adding 0.5, whose last bit is just that; above the largest value,
    /// infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> NarrowToFloat16(Vector<float> values)
    {
        var bits = Vector.AsVectorUInt32(values);
        Vector<uint> magnitude = bits & new Vector<uint>(0x7FFF_FFFF);
        Vector<uint> sign = (bits ^ magnitude) >>> 16;
        // 0xC800_0000 is minus (127 - 15) in the exponent's place.
        Vector<uint> normal = (magnitude + new Vector<uint>(0xC800_0FFF) + ((magnitude >>> 13) & Vector<uint>.One)) >>> 13;
        normal = Vector.ConditionalSelect(
            Vector.LessThan(magnitude, new Vector<uint>(0x4780_0000)), normal, new Vector<uint>(0x7C00));
        Vector<float> raised = Vector.AsVectorSingle(magnitude) + new Vector<float>(0.5f);
        Vector<uint> small = Vector.AsVectorUInt32(raised) - new Vector<uint>(0x3F00_0000);
        Vector<uint> finite = Vector.ConditionalSelect(Vector.LessThan(magnitude, new Vector<uint>(0x3880_0000)), small, normal);
        Vector<uint> isNaN = Vector.GreaterThan(magnitude, new Vector<uint>(0x7F80_0000));
        return Vector.ConditionalSelect(isNaN, new Vector<uint>(0x7E00), finite) | sign;
    }
}
