using System.Globalization;
using Xunit;

namespace PixioCuda.Tests;

/// <summary>Holds results against references by the relative L2 error, and says where the worst element is.</summary>
internal static class Accuracy
{
    /// <summary>What outputs without a figure of their own are held to (float32 against float64).</summary>
    public const double Float32Default = 2e-6;

    public static double RelativeL2(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double error = 0, norm = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double distance = (double)actual[i] - expected[i];
            error += distance * distance;
            norm += (double)expected[i] * expected[i];
        }

        return norm == 0 ? Math.Sqrt(error) : Math.Sqrt(error / norm);
    }

    /// <summary>Fails when the relative L2 error is over the bound; the message has the worst coordinate and the share of the bound.</summary>
    public static void Within(double bound, ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, string what)
    {
        double error = RelativeL2(actual, expected);
        if (error <= bound)
            return;
        int worst = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            if (!(Math.Abs(actual[i] - expected[i]) <= Math.Abs(actual[worst] - expected[worst])))
                worst = i;
        }

        Assert.Fail(string.Create(CultureInfo.InvariantCulture,
            $"{what}: relative L2 error {error:E2} is {error / bound:P0} of the bound {bound:E2}. Worst at element {worst}: {actual[worst]:G9}, expected {expected[worst]:G9}."));
    }
}
