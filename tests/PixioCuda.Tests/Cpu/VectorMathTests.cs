using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class VectorMathTests
{
    [Theory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Exp_is_within_two_units_in_the_last_place(int bits)
    {
        for (float x = -87.3f; x <= 0; x += 0.000613f)
        {
            double expected = Math.Exp(x);
            float actual = Exp(x, bits);
            Assert.True(Math.Abs(actual - expected) <= 2 * Ulp(expected), $"e^{x:G9} is {actual:G9}, expected {expected:G17}");
        }
    }

    [Theory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Exp_of_the_far_left_is_nearly_nothing_and_exp_of_zero_is_one(int bits)
    {
        Assert.Equal(1f, Exp(0, bits));
        foreach (float x in new[] { -87.4f, -1000f, float.MinValue, float.NegativeInfinity })
            Assert.InRange(Exp(x, bits), 0f, 1.2e-38f);
        Assert.True(float.IsNaN(Exp(float.NaN, bits)));
    }

    /// <summary>Within 8 units in the last place on both sides of zero, where 1 + erf would be useless: the polynomial is exact to a tenth of
    /// a unit, the exponential to two, and six roundings follow.</summary>
    [Theory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Gelu_is_exact_on_both_sides_of_zero(int bits)
    {
        double worst = 0;
        float worstAt = 0;
        for (float x = -12.5f; x <= 12.5f; x += 0.000217f)
        {
            double expected = DoubleMath.Gelu(x);
            double ulps = Math.Abs(Gelu(x, bits) - expected) / Ulp(expected);
            if (ulps > worst)
                (worst, worstAt) = (ulps, x);
        }

        Assert.True(worst <= 8, $"GELU({worstAt:G9}) is {worst:F2} units in the last place off");
    }

    [Theory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Gelu_of_extreme_values_is_defined(int bits)
    {
        Assert.Equal(0f, Gelu(0f, bits));
        Assert.Equal(20f, Gelu(20f, bits));
        Assert.Equal(float.MaxValue, Gelu(float.MaxValue, bits));
        Assert.Equal(float.PositiveInfinity, Gelu(float.PositiveInfinity, bits));
        Assert.Equal(0f, Gelu(-20f, bits));
        Assert.Equal(0f, Gelu(float.NegativeInfinity, bits));
        Assert.True(float.IsNaN(Gelu(float.NaN, bits)));
        Assert.Equal(1e-30f * 0.5f, Gelu(1e-30f, bits), 1e-36f);
    }

    private static float Exp(float x, int bits) => bits switch
    {
        512 => First(VectorMath.ExpOfNegative(FloatVector512.Create(x))),
        256 => First(VectorMath.ExpOfNegative(FloatVector256.Create(x))),
        _ => First(VectorMath.ExpOfNegative(FloatVector128.Create(x))),
    };

    private static float Gelu(float x, int bits) => bits switch
    {
        512 => First(VectorMath.Gelu(FloatVector512.Create(x))),
        256 => First(VectorMath.Gelu(FloatVector256.Create(x))),
        _ => First(VectorMath.Gelu(FloatVector128.Create(x))),
    };

    /// <summary>The first lane, after a look whether all are alike.</summary>
    private static unsafe float First<TVector>(TVector vector)
        where TVector : struct, IFloatVector<TVector>
    {
        float* lanes = stackalloc float[TVector.Count];
        vector.Store(lanes);
        for (int lane = 1; lane < TVector.Count; lane++)
            Assert.True(BitConverter.SingleToInt32Bits(lanes[0]) == BitConverter.SingleToInt32Bits(lanes[lane]), $"lane {lane} differs from lane 0");
        return lanes[0];
    }

    private static double Ulp(double value) => Math.Max(MathF.BitIncrement((float)Math.Abs(value)) - (double)(float)Math.Abs(value), float.Epsilon);
}
