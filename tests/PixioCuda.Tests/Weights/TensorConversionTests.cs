using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights;

public class TensorConversionTests
{
    public static TheoryData<DType> HalfPrecisions => [DType.F16, DType.BF16];

    [Theory]
    [MemberData(nameof(HalfPrecisions))]
    public void All_65536_values_widen_exactly(DType dtype)
    {
        byte[] stored = AllBits();
        float[] values = new float[65536];
        TensorConversion.ToFloat32(dtype, stored, values);

        for (int bits = 0; bits < values.Length; bits++)
            AssertWidened(dtype, (ushort)bits, values[bits]);
    }

    [Theory]
    [MemberData(nameof(HalfPrecisions))]
    public void Every_length_and_place_widens_alike_in_the_destinations_upper_half_too(DType dtype)
    {
        byte[] stored = AllBits();
        float[] expected = new float[65536];
        TensorConversion.ToFloat32(dtype, stored, expected);
        for (int length = 0; length < 100; length++)
        {
            // Where infinities, NaNs and subnormals are, not only at zero.
            foreach (int first in new[] { 0, 0x03D1, 0x7BC5, 0x7F55, 0xFC11 })
            {
                float[] values = new float[length];
                Span<byte> upperHalf = MemoryMarshal.AsBytes(values.AsSpan())[(2 * length)..];
                stored.AsSpan(2 * first, 2 * length).CopyTo(upperHalf);
                TensorConversion.ToFloat32(dtype, upperHalf, values);
                Assert.Equal(Bits(expected.AsSpan(first, length)), Bits(values));
            }
        }
    }

    [Theory]
    [MemberData(nameof(HalfPrecisions))]
    public void All_65536_values_survive_the_way_there_and_back(DType dtype)
    {
        byte[] stored = AllBits();
        float[] values = new float[65536];
        byte[] again = new byte[stored.Length];
        TensorConversion.ToFloat32(dtype, stored, values);
        TensorConversion.FromFloat32(dtype, values, again);

        for (int bits = 0; bits < values.Length; bits++)
        {
            ushort back = BinaryPrimitives.ReadUInt16LittleEndian(again.AsSpan(2 * bits));
            if (float.IsNaN(values[bits]))
                AssertWidened(dtype, back, values[bits]);
            else
                Assert.Equal((ushort)bits, back);
        }
    }

    [Theory]
    [MemberData(nameof(HalfPrecisions))]
    public void Rounding_is_to_nearest_and_ties_go_to_even(DType dtype)
    {
        // The finite non-negative values in order: the bits of a half are ordered as its values are.
        int infinity = dtype == DType.F16 ? 0x7C00 : 0x7F80;
        double[] table = [.. Enumerable.Range(0, infinity).Select(bits => Decode(dtype, (ushort)bits))];
        // One unit beyond the largest value is where the next would be: half-way there, rounding goes to infinity.
        double beyond = 2 * table[^1] - table[^2];
        var random = new Random(3);
        List<float> inputs = [0f, float.Epsilon, float.MaxValue, float.PositiveInfinity, 1e-40f, 65519.996f, 65520f, 65536f];
        for (int i = 0; i < 20_000; i++)
        {
            int bits = random.Next(infinity);
            double next = bits + 1 < table.Length ? table[bits + 1] : beyond;
            float tie = (float)((table[bits] + next) / 2);
            inputs.AddRange([(float)table[bits], tie, MathF.BitDecrement(tie), MathF.BitIncrement(tie)]);
            inputs.Add(BitConverter.UInt32BitsToSingle((uint)random.NextInt64(0x7F80_0001)));
        }

        float[] values = [.. inputs, .. inputs.Select(value => -value)];
        byte[] stored = new byte[2 * values.Length];
        TensorConversion.FromFloat32(dtype, values, stored);

        for (int i = 0; i < values.Length; i++)
        {
            int expected = Nearest(Math.Abs((double)values[i]), table, beyond, infinity) | (float.IsNegative(values[i]) ? 0x8000 : 0);
            int actual = BinaryPrimitives.ReadUInt16LittleEndian(stored.AsSpan(2 * i));
            Assert.True(expected == actual, $"{values[i]:R} became 0x{actual:X4}, expected 0x{expected:X4}.");
        }
    }

    [Theory]
    [InlineData(0x7F80_0001u)]
    [InlineData(0x7FFF_FFFFu)]
    [InlineData(0xFFFF_FFFFu)]
    [InlineData(0xFF80_0001u)]
    [InlineData(0x7FC0_0000u)]
    public void A_nan_stays_a_nan_of_its_sign(uint bits)
    {
        foreach (DType dtype in new[] { DType.F16, DType.BF16 })
        {
            byte[] stored = new byte[2];
            TensorConversion.FromFloat32(dtype, [BitConverter.UInt32BitsToSingle(bits)], stored);
            float[] back = new float[1];
            TensorConversion.ToFloat32(dtype, stored, back);

            Assert.True(float.IsNaN(back[0]));
            Assert.Equal(bits >> 31 != 0, float.IsNegative(back[0]));
        }
    }

    [Fact]
    public void Float32_passes_through_unchanged()
    {
        uint[] bits = [0, 0x8000_0000, 1, 0x7F80_0001, 0xFFC0_1234, 0x3F80_0000];
        float[] values = new float[bits.Length];
        TensorConversion.ToFloat32(DType.F32, MemoryMarshal.AsBytes(bits.AsSpan()), values);
        byte[] stored = new byte[4 * bits.Length];
        TensorConversion.FromFloat32(DType.F32, values, stored);

        Assert.Equal(bits, MemoryMarshal.Cast<byte, uint>(stored).ToArray());
    }

    [Fact]
    public void Lengths_that_do_not_fit_are_refused()
    {
        Assert.Throws<ArgumentException>(() => TensorConversion.ToFloat32(DType.F16, new byte[5], new float[2]));
        Assert.Throws<ArgumentException>(() => TensorConversion.ToFloat32(DType.F32, new byte[4], new float[2]));
        Assert.Throws<ArgumentException>(() => TensorConversion.FromFloat32(DType.BF16, new float[2], new byte[6]));
    }

    private static byte[] AllBits()
    {
        byte[] stored = new byte[2 * 65536];
        for (int i = 0; i < 65536; i++)
            BinaryPrimitives.WriteUInt16LittleEndian(stored.AsSpan(2 * i), (ushort)i);
        return stored;
    }

    private static uint[] Bits(ReadOnlySpan<float> values) => MemoryMarshal.Cast<float, uint>(values).ToArray();

    private static void AssertWidened(DType dtype, ushort bits, float value)
    {
        double expected = Decode(dtype, bits);
        bool same = double.IsNaN(expected)
            ? float.IsNaN(value) && float.IsNegative(value) == (bits >= 0x8000)
            : BitConverter.DoubleToInt64Bits(expected) == BitConverter.DoubleToInt64Bits(value);
        Assert.True(same, $"{dtype} 0x{bits:X4} became {value:R}, expected {expected:R}.");
    }

    /// <summary>A value from its fields: sign, exponent, fraction.</summary>
    private static double Decode(DType dtype, ushort bits)
    {
        (int fractionBits, int bias) = dtype == DType.F16 ? (10, 15) : (7, 127);
        int exponent = (bits & 0x7FFF) >> fractionBits;
        double fraction = (bits & ((1 << fractionBits) - 1)) / (double)(1 << fractionBits);
        double magnitude = exponent == 2 * bias + 1
            ? fraction == 0 ? double.PositiveInfinity : double.NaN
            : exponent == 0 ? fraction * Math.Pow(2, 1 - bias) : (1 + fraction) * Math.Pow(2, exponent - bias);
        return bits >= 0x8000 ? -magnitude : magnitude;
    }

    private static int Nearest(double value, double[] table, double beyond, int infinity)
    {
        if (value >= beyond)
            return infinity;
        int below = Array.BinarySearch(table, value);
        if (below >= 0)
            return below;
        below = ~below - 1;
        double above = below + 1 < table.Length ? table[below + 1] : beyond;
        double middle = (table[below] + above) / 2;
        return value < middle || (value == middle && below % 2 == 0) ? below : below + 1;
    }
}
