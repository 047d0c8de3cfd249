using System.Numerics;
using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class VectorMathTests
{
    [Fact]
    public void Exp_is_within_two_units_in_the_last_place()
    {
        for (float x = -87.3f; x <= 0; x += 0.000613f)
        {
            double expected = Math.Exp(x);
            float actual = VectorMath.ExpOfNegative(new Vector<float>(x))[0];
            Assert.True(Math.Abs(actual - expected) <= 2 * Ulp(expected), $"e^{x:G9} is {actual:G9}, expected {expected:G17}");
        }
    }

    [Fact]
    public void Exp_of_the_far_left_is_nearly_nothing_and_exp_of_zero_is_one()
    {
        Assert.Equal(1f, VectorMath.ExpOfNegative(Vector<float>.Zero)[0]);
        foreach (float x in new[] { -87.4f, -1000f, float.MinValue, float.NegativeInfinity })
            Assert.InRange(VectorMath.ExpOfNegative(new Vector<float>(x))[0], 0f, 1.2e-38f);
        Assert.True(float.IsNaN(VectorMath.ExpOfNegative(new Vector<float>(float.NaN))[0]));
    }

    /// <summary>Within 8 units in the last place on both sides of zero, where 1 + erf would be useless: the polynomial is exact to a tenth of
    /// a unit, the exponential to two, and six roundings follow.</summary>
    [Fact]
    public void Gelu_is_exact_on_both_sides_of_zero()
    {
        double worst = 0;
        float worstAt = 0;
        for (float x = -12.5f; x <= 12.5f; x += 0.000217f)
        {
            double expected = DoubleMath.Gelu(x);
            double ulps = Math.Abs(VectorMath.Gelu(new Vector<float>(x))[0] - expected) / Ulp(expected);
            if (ulps > worst)
                (worst, worstAt) = (ulps, x);
        }

        Assert.True(worst <= 8, $"GELU({worstAt:G9}) is {worst:F2} units in the last place off");
    }

    [Fact]
    public void Gelu_of_extreme_values_is_defined()
    {
        Assert.Equal(0f, Gelu(0f));
        Assert.Equal(20f, Gelu(20f));
        Assert.Equal(float.MaxValue, Gelu(float.MaxValue));
        Assert.Equal(float.PositiveInfinity, Gelu(float.PositiveInfinity));
        Assert.Equal(0f, Gelu(-20f));
        Assert.Equal(0f, Gelu(float.NegativeInfinity));
        Assert.True(float.IsNaN(Gelu(float.NaN)));
        Assert.Equal(1e-30f * 0.5f, Gelu(1e-30f), 1e-36f);

        static float Gelu(float x) => VectorMath.Gelu(new Vector<float>(x))[0];
    }

    private static double Ulp(double value) => Math.Max(MathF.BitIncrement((float)Math.Abs(value)) - (double)(float)Math.Abs(value), float.Epsilon);
}
