using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class FloatVectorTests
{
    [Fact]
    public void Lanes_of_the_machines_vectors() => Check<FloatVector>();

    [Fact]
    public void Lanes_of_512_bits() => Check<FloatVector512>();

    private static unsafe void Check<TVector>()
        where TVector : struct, IFloatVector<TVector>
    {
        float[] a = [.. Enumerable.Range(0, TVector.Count).Select(lane => ((lane * 7 % 16) - 5) * 1.25f)];
        float[] b = [.. Enumerable.Range(0, TVector.Count).Select(lane => (lane * 5 % 16) - 7.5f)];
        TVector x = Load(a), y = Load(b);

        Expect(TVector.FusedMultiplyAdd(x, y, x), lane => float.FusedMultiplyAdd(a[lane], b[lane], a[lane]));
        Expect(x + y, lane => a[lane] + b[lane]);
        Expect(x - y, lane => a[lane] - b[lane]);
        Expect(-x, lane => -a[lane]);
        Expect(x * y, lane => a[lane] * b[lane]);
        Expect(x / y, lane => a[lane] / b[lane]);
        Expect(TVector.Abs(x), lane => Math.Abs(a[lane]));
        Expect(TVector.MaxNative(x, y), lane => Math.Max(a[lane], b[lane]));
        Expect(TVector.SelectLess(x, y, TVector.Create(1), TVector.Create(2)), lane => a[lane] < b[lane] ? 1 : 2);
        Expect(TVector.SelectLess(TVector.Create(float.NaN), y, TVector.Create(1), TVector.Create(2)), _ => 2);
        for (int count = 0; count <= TVector.Count + 1; count++)
            Expect(TVector.SelectFirst(count, x, y), lane => lane < count ? a[lane] : b[lane]);
        for (int exponent = -126; exponent <= 127; exponent++)
            Expect(TVector.PowerOfTwo(TVector.Create(exponent + 12582912f)), _ => MathF.ScaleB(1, exponent));
        Assert.Equal(a.Max(), TVector.Maximum(x));
        Assert.Equal(b.Max(), TVector.Maximum(y));
        // Small multiples of a quarter: sums of them are exact in any order.
        TVector sum = TVector.Accumulate(TVector.Accumulate(TVector.Create(0), x), y);
        Assert.Equal(a.Sum() + b.Sum(), TVector.Total(sum));

        static TVector Load(float[] values)
        {
            fixed (float* from = values)
                return TVector.Load(from);
        }

        static void Expect(TVector actual, Func<int, float> expected)
        {
            float[] lanes = new float[TVector.Count];
            fixed (float* to = lanes)
                actual.Store(to);
            Assert.Equal(Enumerable.Range(0, TVector.Count).Select(expected), lanes);
        }
    }
}
