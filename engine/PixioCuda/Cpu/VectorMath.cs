using System.Numerics;
using System.Runtime.CompilerServices;

namespace PixioCuda.Cpu;

/// <summary>Elementary functions on vectors of the machine's width. Every lane is computed alike, so a value's bits do not depend on
/// its place.</summary>
internal static class VectorMath
{
    private const float Log2E = 1.44269504f;

    // ln 2 in two parts; the first has so few bits that its product with any exponent is exact.
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    // 1.5 * 2^23: the unit in the last place is 1 there.
    private const float RoundingShift = 12582912f;

    // Below this, e^x is under the smallest normal number; it is taken as that edge and never as a subnormal, which would be slow.
    private const float ExpMinimum = -87.33654f;

    /// <summary>e^x for x &lt;= 0, within 2 units in the last place; inputs under -87.3 give about 1e-38.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> ExpOfNegative(Vector<float> x)
    {
        // Not Vector.Max alone: a NaN must stay a NaN.
        x = Vector.ConditionalSelect(Vector.LessThan(x, new Vector<float>(ExpMinimum)), new Vector<float>(ExpMinimum), x);
        // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits of the sum.
        Vector<float> shifted = Vector.FusedMultiplyAdd(x, new Vector<float>(Log2E), new Vector<float>(RoundingShift));
        Vector<float> exponent = shifted - new Vector<float>(RoundingShift);
        Vector<float> r = Vector.FusedMultiplyAdd(exponent, new Vector<float>(-Ln2High), x);
        r = Vector.FusedMultiplyAdd(exponent, new Vector<float>(-Ln2Low), r);

        // Minimax polynomial of e^r on [-ln 2 / 2, ln 2 / 2], relative error 1.9e-9; the first two coefficients round to 1. In pairs
        // of terms, since one chain of multiply-adds would leave the units waiting.
        Vector<float> r2 = r * r;
        Vector<float> p23 = Vector.FusedMultiplyAdd(r, new Vector<float>(1.6666419e-1f), new Vector<float>(4.9999992e-1f));
        Vector<float> p45 = Vector.FusedMultiplyAdd(r, new Vector<float>(8.3748984e-3f), new Vector<float>(4.1668232e-2f));
        Vector<float> p456 = Vector.FusedMultiplyAdd(r2, new Vector<float>(1.3836742e-3f), p45);
        Vector<float> p = Vector.FusedMultiplyAdd(r2, Vector.FusedMultiplyAdd(r2, p456, p23), r) + Vector<float>.One;
        Vector<int> scale = (Vector.AsVectorInt32(shifted) + new Vector<int>(127)) << 23;
        return p * Vector.AsVectorSingle(scale);
    }

    /// <summary>x times the normal distribution function of x: the exact (erf) GELU, within a few units in the last place on both
    /// sides of zero.</summary>
    /// <remarks>With t = |x| / sqrt 2, the tail is erfc(t) / 2 = e^(-t^2) * erfcx(t) / 2. For x below zero the result is x * tail,
    /// since 1 + erf would cancel. (1 + 2t) * erfcx(t) is a smooth function of q = (t - 2) / (t + 2) in [-1, 2/3], the rest of the
    /// range having e^(-t^2) below any float32; its minimax polynomial of degree 9 has relative error 1.3e-8.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Gelu(Vector<float> x)
    {
        Vector<float> two = new(2f);
        Vector<float> magnitude = Vector.Abs(x);
        Vector<float> t = magnitude * 0.70710678f;
        Vector<float> q = (t - two) / (t + two);
        Vector<float> p = new(ErfcxCoefficients.C9);
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C8));
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C7));
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C6));
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C5));
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C4));
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C3));
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C2));
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C1));
        p = Vector.FusedMultiplyAdd(p, q, new Vector<float>(ErfcxCoefficients.C0));

        // -x^2 / 2 in two parts: rounding it to one would cost up to 40 units in the last place of the exponential.
        Vector<float> half = x * -0.5f;
        Vector<float> square = half * x;
        Vector<float> rest = Vector.FusedMultiplyAdd(half, x, -square);
        Vector<float> exponential = ExpOfNegative(square);
        exponential = Vector.FusedMultiplyAdd(exponential, rest, exponential);
        Vector<float> tail = 0.5f * exponential * p / Vector.FusedMultiplyAdd(two, t, Vector<float>.One);

        Vector<float> product = x * tail;
        Vector<float> result = Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), product, x - product);
        // Far out, the polynomial and infinity minus infinity have no say.
        return Vector.ConditionalSelect(
            Vector.GreaterThan(magnitude, new Vector<float>(14f)), Vector.Max(x, Vector<float>.Zero), result);
    }

    /// <summary>The sum of all elements, in double precision and a fixed order.</summary>
    public static unsafe double Sum(float* values, int count)
    {
        Vector<double> lower = Vector<double>.Zero, upper = Vector<double>.Zero;
        int index = 0;
        for (; index <= count - Vector<float>.Count; index += Vector<float>.Count)
        {
            Vector.Widen(Vector.Load(values + index), out Vector<double> first, out Vector<double> second);
            lower += first;
            upper += second;
        }

        double total = Vector.Sum(lower + upper);
        for (; index < count; index++)
            total += values[index];
        return total;
    }

    /// <summary>The sum of the squared distances from a mean, in double precision and a fixed order.</summary>
    public static unsafe double SumOfSquaredDistances(float* values, int count, double mean)
    {
        Vector<double> means = new(mean), lower = Vector<double>.Zero, upper = Vector<double>.Zero;
        int index = 0;
        for (; index <= count - Vector<float>.Count; index += Vector<float>.Count)
        {
            Vector.Widen(Vector.Load(values + index), out Vector<double> first, out Vector<double> second);
            first -= means;
            second -= means;
            lower = Vector.FusedMultiplyAdd(first, first, lower);
            upper = Vector.FusedMultiplyAdd(second, second, upper);
        }

        double total = Vector.Sum(lower + upper);
        for (; index < count; index++)
            total = double.FusedMultiplyAdd(values[index] - mean, values[index] - mean, total);
        return total;
    }

    /// <summary>Minimax coefficients of (1 + 2t) erfcx(t) in powers of q.</summary>
    private static class ErfcxCoefficients
    {
        public const float C0 = 1.27697837f;
        public const float C1 = -0.0927639753f;
        public const float C2 = -0.16603139f;
        public const float C3 = 0.164055273f;
        public const float C4 = -0.0542047098f;
        public const float C5 = -0.00805959944f;
        public const float C6 = 0.00863327086f;
        public const float C7 = 0.00131372246f;
        public const float C8 = -0.00123187713f;
        public const float C9 = -0.000401715137f;
    }
}
