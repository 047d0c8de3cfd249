using PixioCuda.Weights;

namespace PixioCuda.Verification;

/// <summary>Compares an output of two files, token by token, in double precision and a few rows at a time.</summary>
internal static class OutputComparer
{
    private const int BlockElements = 1 << 16;

    /// <summary>The distance of an output from what is expected.</summary>
    /// <param name="actual">The file with what was computed.</param>
    /// <param name="expected">The file with what is right, or what is held to be.</param>
    /// <param name="name">The output; both files hold it.</param>
    /// <exception cref="ModelFormatException">The shapes differ.</exception>
    public static OutputDistance Compare(SafetensorsFile actual, SafetensorsFile expected, string name)
    {
        TensorInfo actualInfo = actual.Tensors[name], expectedInfo = expected.Tensors[name];
        if (!actualInfo.Shape.SequenceEqual(expectedInfo.Shape))
        {
            throw new ModelFormatException(
                $"'{expected.Path}' holds {name} as {MessageText.Shape(expectedInfo.Shape)}, but this model computes "
                + $"{MessageText.Shape(actualInfo.Shape)}; it belongs to another model or another input.");
        }

        int width = checked((int)actualInfo.Shape[^1]);
        long rows = actualInfo.ElementCount / width;
        int blockRows = (int)Math.Clamp(BlockElements / width, 1, rows);
        float[] a = new float[blockRows * width], b = new float[blockRows * width];
        Sums total = default;
        long worst = 0;
        double worstError = -1;
        for (long row = 0; row < rows; row += blockRows)
        {
            int count = (int)Math.Min(blockRows, rows - row);
            actual.ReadFloats(actualInfo, row * width, a.AsSpan(0, count * width));
            expected.ReadFloats(expectedInfo, row * width, b.AsSpan(0, count * width));
            for (int i = 0; i < count; i++)
            {
                var sums = Sums.Of(a.AsSpan(i * width, width), b.AsSpan(i * width, width));
                total = total.Plus(sums);
                // The first token that is not a number stays the worst.
                if (!double.IsNaN(worstError) && !(sums.RelativeL2 <= worstError))
                    (worst, worstError) = (row + i, sums.RelativeL2);
            }
        }

        return new OutputDistance(total.RelativeL2, total.Cosine, worst, worstError);
    }

    private readonly record struct Sums(double Difference, double Actual, double Expected, double Product)
    {
        public double RelativeL2 => Difference == 0 ? 0 : Expected == 0 ? double.PositiveInfinity : Math.Sqrt(Difference / Expected);

        public double Cosine => Actual == 0 && Expected == 0 ? 1 : Product / (Math.Sqrt(Actual) * Math.Sqrt(Expected));

        public static Sums Of(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
        {
            double difference = 0, squaresOfActual = 0, squaresOfExpected = 0, product = 0;
            for (int i = 0; i < actual.Length; i++)
            {
                double a = actual[i], e = expected[i];
                difference += (a - e) * (a - e);
                squaresOfActual += a * a;
                squaresOfExpected += e * e;
                product += a * e;
            }

            return new Sums(difference, squaresOfActual, squaresOfExpected, product);
        }

        public Sums Plus(Sums other) =>
            new(Difference + other.Difference, Actual + other.Actual, Expected + other.Expected, Product + other.Product);
    }
}
