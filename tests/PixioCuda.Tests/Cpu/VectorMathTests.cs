using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class VectorMathTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Exp_is_within_two_units_in_the_last_place(bool has512Bits)
    {
        for (float x = -87.3f; x <= 0; x += 0.000613f)
        {
            double expected = Math.Exp(x);
            float actual = Exp(x, has512Bits);
            Assert.True(Math.Abs(actual - expected) <= 2 * Ulp(expected), $"e^{x:G9} is {actual:G9}, expected {expected:G17}");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Exp_of_the_far_left_is_nearly_nothing_and_exp_of_zero_is_one(bool has512Bits)
    {
        Assert.Equal(1f, Exp(0, has512Bits));
        foreach (float x in new[] { -87.4f, -1000f, float.MinValue, float.NegativeInfinity })
            Assert.InRange(Exp(x, has512Bits), 0f, 1.2e-38f);
        Assert.True(float.IsNaN(Exp(float.NaN, has512Bits)));
    }

    /// <summary>Within 8 units in the last place on both sides of zero, where 1 + erf would be useless: the polynomial is exact to a tenth of
    /// a unit, the exponential to two, and six roundings follow.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gelu_is_exact_on_both_sides_of_zero(bool has512Bits)
    {
        double worst = 0;
        float worstAt = 0;
        for (float x = -12.5f; x <= 12.5f; x += 0.000217f)
        {
            double expected = DoubleMath.Gelu(x);
            double ulps = Math.Abs(Gelu(x, has512Bits) - expected) / Ulp(expected);
            if (ulps > worst)
                (worst, worstAt) = (ulps, x);
        }

        Assert.True(worst <= 8, $"GELU({worstAt:G9}) is {worst:F2} units in the last place off");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gelu_of_extreme_values_is_defined(bool has512Bits)
    {
        Assert.Equal(0f, Gelu(0f, has512Bits));
        Assert.Equal(20f, Gelu(20f, has512Bits));
        Assert.Equal(float.MaxValue, Gelu(float.MaxValue, has512Bits));
        Assert.Equal(float.PositiveInfinity, Gelu(float.PositiveInfinity, has512Bits));
        Assert.Equal(0f, Gelu(-20f, has512Bits));
        Assert.Equal(0f, Gelu(float.NegativeInfinity, has512Bits));
        Assert.True(float.IsNaN(Gelu(float.NaN, has512Bits)));
        Assert.Equal(1e-30f * 0.5f, Gelu(1e-30f, has512Bits), 1e-36f);
    }

    private static float Exp(float x, bool has512Bits) => has512Bits
        ? First(VectorMath.ExpOfNegative(FloatVector512.Create(x)))
        : First(VectorMath.ExpOfNegative(FloatVector.Create(x)));

    private static float Gelu(float x, bool has512Bits) => has512Bits
        ? First(VectorMath.Gelu(FloatVector512.Create(x)))
        : First(VectorMath.Gelu(FloatVector.Create(x)));

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
