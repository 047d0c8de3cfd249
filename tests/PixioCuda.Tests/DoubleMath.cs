namespace PixioCuda.Tests;

/// <summary>Reference functions in double precision, by other methods than the library's.</summary>
internal static class DoubleMath
{
    /// <summary>x times the normal distribution function.</summary>
    public static double Gelu(double x) => 0.5 * x * Erfc(-x / Math.Sqrt(2));

    /// <summary>The complementary error function: the Taylor series of erf near zero, a continued fraction (Lentz) further out.</summary>
    public static double Erfc(double x)
    {
        if (x < 0)
            return 2 - Erfc(-x);
        if (x > 27)
            return 0;
        return x < 2 ? 1 - ErfSeries(x) : ErfcFraction(x);
    }

    private static double ErfSeries(double x)
    {
        double term = x, sum = x;
        for (int n = 1; n < 200 && Math.Abs(term) > 1e-18 * Math.Abs(sum); n++)
        {
            term *= -x * x / n;
            sum += term / ((2 * n) + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private static double ErfcFraction(double x)
    {
        double fraction = x;
        for (int k = 200; k >= 1; k--)
            fraction = x + (k / 2.0 / fraction);
        return Math.Exp(-x * x) / (Math.Sqrt(Math.PI) * fraction);
    }
}
