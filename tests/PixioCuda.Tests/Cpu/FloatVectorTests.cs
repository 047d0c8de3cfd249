using System.Runtime.Intrinsics;
using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class FloatVectorTests
{
    [Fact]
    public void Lanes_of_128_bits() => Check<FloatVector128>();

    [Fact]
    public void Lanes_of_256_bits() => Check<FloatVector256>();

    [Fact]
    public void Lanes_of_512_bits() => Check<FloatVector512>();

    /// <summary>Of values whose sum has other bits in almost any other order.</summary>
    [Fact]
    public void Every_width_adds_up_in_the_order_of_eight_lanes()
    {
        for (int count = 1; count <= 70; count++)
        {
            float[] values = [.. Noise.Normal($"sum of {count}", count).Select(MathF.Exp)];
            float[] lanes = new float[8];
            for (int index = 0; index < count; index++)
                lanes[index % 8] += values[index];
            float expected = (lanes[0] + lanes[1] + (lanes[2] + lanes[3])) + (lanes[4] + lanes[5] + (lanes[6] + lanes[7]));
            Assert.Equal(expected, Sum<FloatVector128>(values));
            Assert.Equal(expected, Sum<FloatVector512>(values));
            if (Has256Bits)
                Assert.Equal(expected, Sum<FloatVector256>(values));
        }
    }

    // Elsewhere nothing runs on them, and Vector<T> is narrower.
    private static bool Has256Bits => FloatVector256.Count == Vector256<float>.Count;

    private static unsafe float Sum<TVector>(float[] values)
        where TVector : struct, IFloatVector<TVector>
    {
        float* padded = stackalloc float[values.Length + TVector.Count];
        values.CopyTo(new Span<float>(padded, values.Length));
        Vector256<float> sum = Vector256<float>.Zero;
        for (int index = 0; index < values.Length; index += TVector.Count)
            sum = TVector.Accumulate(sum, TVector.SelectFirst(values.Length - index, TVector.Load(padded + index), TVector.Create(0)), index);
        return Vector256.Sum(sum);
    }

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
