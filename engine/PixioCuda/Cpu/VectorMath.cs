using System.Numerics;
using System.Runtime.CompilerServices;

namespace PixioCuda.Cpu;

/// <summary>Elementary functions on vectors of any width. Every lane is computed alike, so a value's bits do not depend on
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

    // 13.2^2 / 2 = 87.12.
    private const float GeluReach = 13.2f;

    /// <summary>e^x for x &lt;= 0, within 2 units in the last place; inputs under -87.3 give about 1e-38.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ExpOfNegative<TVector>(TVector x)
        where TVector : struct, IFloatVector<TVector> =>
        // Not Vector.Max alone: a NaN must stay a NaN.
        ExpInRange(TVector.SelectLess(x, TVector.Create(ExpMinimum), TVector.Create(ExpMinimum), x));

    /// <summary>e^x for x from -87.3 to 0; anything at all for other inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector ExpInRange<TVector>(TVector x)
        where TVector : struct, IFloatVector<TVector>
    {
        // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits of the sum.
        TVector shifted = TVector.FusedMultiplyAdd(x, TVector.Create(Log2E), TVector.Create(RoundingShift));
        TVector exponent = shifted - TVector.Create(RoundingShift);
        TVector r = TVector.FusedMultiplyAdd(exponent, TVector.Create(-Ln2High), x);
        r = TVector.FusedMultiplyAdd(exponent, TVector.Create(-Ln2Low), r);

        // Minimax polynomial of e^r on [-ln 2 / 2, ln 2 / 2], relative error 1.9e-9; the first two coefficients round to 1. In pairs
        // of terms, since one chain of multiply-adds would leave the units waiting.
        TVector r2 = r * r;
        TVector p23 = TVector.FusedMultiplyAdd(r, TVector.Create(1.6666419e-1f), TVector.Create(4.9999992e-1f));
        TVector p45 = TVector.FusedMultiplyAdd(r, TVector.Create(8.3748984e-3f), TVector.Create(4.1668232e-2f));
        TVector p456 = TVector.FusedMultiplyAdd(r2, TVector.Create(1.3836742e-3f), p45);
        TVector p = TVector.FusedMultiplyAdd(r2, TVector.FusedMultiplyAdd(r2, p456, p23), r) + TVector.Create(1);
        return p * TVector.PowerOfTwo(shifted);
    }

    /// <summary>x times the normal distribution function of x: the exact (erf) GELU, within a few units in the last place on both
    /// sides of zero.</summary>
    /// <remarks>With t = |x| / sqrt 2, the tail is erfc(t) / 2 = e^(-t^2) * erfcx(t) / 2, and the result is max(x, 0) - |x| * tail, which does not
    /// cancel below zero, where 1 + erf would. (t + 5/2) * erfcx(t) is a smooth function of q = (t - 5/2) / (t + 5/2) in [-1, 3/5], the rest of
    /// the range having e^(-t^2) below any float32; its minimax polynomial of degree 9 has relative error 8e-9, and q takes only the
    /// division that is needed anyway.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gelu<TVector>(TVector x)
        where TVector : struct, IFloatVector<TVector>
    {
        TVector magnitude = TVector.Abs(x);
        TVector reciprocal = TVector.Create(1) / TVector.FusedMultiplyAdd(magnitude, TVector.Create(0.70710678f), TVector.Create(2.5f));
        TVector q = TVector.FusedMultiplyAdd(reciprocal, TVector.Create(-5f), TVector.Create(1));

        // In pairs of terms, as the exponential below: a chain of nine would leave the units waiting.
        TVector q2 = q * q, q4 = q2 * q2;
        TVector p01 = TVector.FusedMultiplyAdd(TVector.Create(HalfErfcx.C1), q, TVector.Create(HalfErfcx.C0));
        TVector p23 = TVector.FusedMultiplyAdd(TVector.Create(HalfErfcx.C3), q, TVector.Create(HalfErfcx.C2));
        TVector p45 = TVector.FusedMultiplyAdd(TVector.Create(HalfErfcx.C5), q, TVector.Create(HalfErfcx.C4));
        TVector p67 = TVector.FusedMultiplyAdd(TVector.Create(HalfErfcx.C7), q, TVector.Create(HalfErfcx.C6));
        TVector p89 = TVector.FusedMultiplyAdd(TVector.Create(HalfErfcx.C9), q, TVector.Create(HalfErfcx.C8));
        TVector p4To9 = TVector.FusedMultiplyAdd(p89, q4, TVector.FusedMultiplyAdd(p67, q2, p45));
        TVector p = TVector.FusedMultiplyAdd(p4To9, q4, TVector.FusedMultiplyAdd(p23, q2, p01));

        // -x^2 / 2 in two parts: rounding it to one would cost up to 40 units in the last place of the exponential.
        TVector half = x * TVector.Create(-0.5f);
        TVector square = half * x;
        TVector rest = TVector.FusedMultiplyAdd(half, x, -square);
        TVector exponential = ExpInRange(square);
        exponential = TVector.FusedMultiplyAdd(exponential, rest, exponential);
        TVector tail = exponential * (p * reciprocal);

        // A NaN that the maximum drops comes back with the magnitude.
        TVector positive = TVector.MaxNative(x, TVector.Create(0));
        TVector result = TVector.FusedMultiplyAdd(-magnitude, tail, positive);
        // From here on out |x| * tail is below the smallest normal number, and the exponential out of its range.
        return TVector.SelectLess(TVector.Create(GeluReach), magnitude, positive, result);
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

    /// <summary>Minimax coefficients of (t + 5/2) erfcx(t) / 2 in powers of q.</summary>
    private static class HalfErfcx
    {
        public const float C0 = 0.5f * 1.05403185f;
        public const float C1 = 0.5f * -0.804651737f;
        public const float C2 = 0.5f * 0.453914106f;
        public const float C3 = 0.5f * -0.171254486f;
        public const float C4 = 0.5f * 0.0283612888f;
        public const float C5 = 0.5f * 0.00842059404f;
        public const float C6 = 0.5f * -0.00480674906f;
        public const float C7 = 0.5f * -0.000525239739f;
        public const float C8 = 0.5f * 0.000633188058f;
        public const float C9 = 0.5f * 0.000144501842f;
    }
}
