using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace PixioCuda.Weights;

/// <summary>
/// Values that are a function of a tensor's name, a seed and an index, the same bits in any language: SplitMix64 over a counter, its four
/// 16-bit parts summed (nearly a normal distribution), scaled in double and rounded once to float32.
/// <code>
/// h = FNV-1a 64 of the UTF-8 name
/// z = h + seed * SeedStep + (i + 1) * IndexStep
/// z = (z ^ (z >> 30)) * Mix1;  z = (z ^ (z >> 27)) * Mix2;  z = z ^ (z >> 31)
/// s = sum of z's four 16-bit parts - 131070
/// value = float32(mean + s * (std / sqrt(1431655765)))
/// </code>
/// The variance of s is (2^64 - 1) / 3 / 2^32, to the nearest integer 1431655765. Multiplication and addition are rounded apart: a fused
/// multiply-add would give other bits.
/// </summary>
internal static class SyntheticValues
{
    private const ulong FnvOffset = 0xCBF29CE484222325;
    private const ulong FnvPrime = 0x100000001B3;
    private const ulong SeedStep = 0xD1342543DE82EF95;
    private const ulong IndexStep = 0x9E3779B97F4A7C15;
    private const ulong Mix1 = 0xBF58476D1CE4E5B9;
    private const ulong Mix2 = 0x94D049BB133111EB;
    private const double SumVariance = 1431655765.0;

    // The parts of a sum that are added two at a time: the low 16 bits of each half.
    private const ulong PairMask = 0x0000FFFF_0000FFFF;

    // An integer below 2^52 in the mantissa of 2^52 is that integer as a double once 2^52 is taken away; the mean of s goes with it. Exact.
    private const ulong DoubleExponent = 0x43300000_00000000;
    private const double DoubleBias = 4503599627370496.0 + 131070.0;

    /// <summary>FNV-1a 64 of a name's UTF-8 bytes.</summary>
    public static ulong HashName(string name)
    {
        ulong hash = FnvOffset;
        foreach (byte unit in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ unit) * FnvPrime;
        return hash;
    }

    /// <summary>Fills a span with consecutive values of a tensor.</summary>
    /// <param name="nameHash"><see cref="HashName"/> of the tensor's name.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="firstIndex">The row-major index of the first value.</param>
    /// <param name="distribution">Mean and standard deviation.</param>
    /// <param name="destination">Filled completely.</param>
    public static void Fill(ulong nameHash, ulong seed, long firstIndex, SyntheticDistribution distribution, Span<float> destination)
    {
        ulong state = nameHash + seed * SeedStep + ((ulong)firstIndex + 1) * IndexStep;
        double mean = distribution.Mean;
        double scale = distribution.Std / Math.Sqrt(SumVariance);
        int done = Vector512.IsHardwareAccelerated
            ? FillVector512(state, mean, scale, destination)
            : FillVector(state, mean, scale, destination);
        FillScalar(state + (ulong)done * IndexStep, mean, scale, destination[done..]);
    }

    /// <summary>Fills whole vectors from the front and returns how many values that were.</summary>
    internal static int FillVector512(ulong state, double mean, double scale, Span<float> destination)
    {
        const int Block = 16;
        Vector512<ulong> low = Vector512.Create(state) + Vector512<ulong>.Indices * Vector512.Create(IndexStep);
        ulong blockStep = unchecked(Block * IndexStep);
        ulong halfStep = unchecked(Block / 2 * IndexStep);
        ref float to = ref MemoryMarshal.GetReference(destination);
        int i = 0;
        for (; i <= destination.Length - Block; i += Block)
        {
            Vector512<double> first = Value(low);
            Vector512<double> second = Value(low + Vector512.Create(halfStep));
            Vector512.Narrow(first, second).StoreUnsafe(ref to, (nuint)i);
            low += Vector512.Create(blockStep);
        }

        return i;

        Vector512<double> Value(Vector512<ulong> z)
        {
            z = (z ^ (z >>> 30)) * Vector512.Create(Mix1);
            z = (z ^ (z >>> 27)) * Vector512.Create(Mix2);
            z ^= z >>> 31;
            Vector512<ulong> pairs = (z & Vector512.Create(PairMask)) + ((z >>> 16) & Vector512.Create(PairMask));
            Vector512<ulong> sum = (pairs & Vector512.Create((ulong)uint.MaxValue)) + (pairs >>> 32);
            Vector512<double> s = (sum | Vector512.Create(DoubleExponent)).AsDouble() - Vector512.Create(DoubleBias);
            return s * Vector512.Create(scale) + Vector512.Create(mean);
        }
    }

    /// <summary>Fills whole vectors from the front and returns how many values that were.</summary>
    internal static int FillVector(ulong state, double mean, double scale, Span<float> destination)
    {
        int lanes = Vector<ulong>.Count;
        int block = 2 * lanes;
        Vector<ulong> low = new Vector<ulong>(state) + Vector<ulong>.Indices * new Vector<ulong>(IndexStep);
        var halfStep = new Vector<ulong>(unchecked((ulong)lanes * IndexStep));
        ref float to = ref MemoryMarshal.GetReference(destination);
        int i = 0;
        for (; i <= destination.Length - block; i += block)
        {
            Vector<double> first = Value(low);
            low += halfStep;
            Vector<double> second = Value(low);
            low += halfStep;
            Vector.Narrow(first, second).StoreUnsafe(ref to, (nuint)i);
        }

        return i;

        Vector<double> Value(Vector<ulong> z)
        {
            z = (z ^ (z >>> 30)) * new Vector<ulong>(Mix1);
            z = (z ^ (z >>> 27)) * new Vector<ulong>(Mix2);
            z ^= z >>> 31;
            Vector<ulong> pairs = (z & new Vector<ulong>(PairMask)) + ((z >>> 16) & new Vector<ulong>(PairMask));
            Vector<ulong> sum = (pairs & new Vector<ulong>(uint.MaxValue)) + (pairs >>> 32);
            Vector<double> s = Vector.AsVectorDouble(sum | new Vector<ulong>(DoubleExponent)) - new Vector<double>(DoubleBias);
            return s * new Vector<double>(scale) + new Vector<double>(mean);
        }
    }

    private static void FillScalar(ulong state, double mean, double scale, Span<float> destination)
    {
        foreach (ref float value in destination)
        {
            ulong z = state;
            z = (z ^ (z >> 30)) * Mix1;
            z = (z ^ (z >> 27)) * Mix2;
            z ^= z >> 31;
            long s = (long)((z & 0xFFFF) + ((z >> 16) & 0xFFFF) + ((z >> 32) & 0xFFFF) + (z >> 48)) - 131070;
            value = (float)(mean + s * scale);
            state += IndexStep;
        }
    }
}
