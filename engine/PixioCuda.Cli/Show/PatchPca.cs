using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PixioCuda.Cli.Show;

/// <summary>The first principal components of a few thousand feature vectors, by orthogonal iteration on the centred data. The same input
/// gives the same bits on every machine: all sums are taken in one fixed order and without fused multiply-adds.</summary>
internal static class PatchPca
{
    /// <summary>How many components are found.</summary>
    public const int Components = 3;

    // One vector of doubles; the vectors beyond the components make the iteration converge where eigenvalues lie close together.
    private const int Block = 8;
    private const int MaxIterations = 500;

    // Relative to the largest eigenvalue; far below what 8 bits of colour show.
    private const double Tolerance = 1e-10;

    /// <summary>Projects vectors onto their first principal components.</summary>
    /// <param name="features">[count, width].</param>
    /// <param name="width">The length of a vector.</param>
    /// <returns>[count, 3]: coordinates from the mean on. A component's sign is the one that makes the largest of its weights positive;
    /// components that the data do not have are zero.</returns>
    public static double[] Project(ReadOnlySpan<float> features, int width)
    {
        int count = features.Length / width;
        double[] centred = Centred(features, count, width);
        double[] basis = StartingBasis(width), scores = new double[count * Block], previous = new double[Block];
        for (int iteration = 0; iteration < MaxIterations; iteration++)
        {
            Orthonormalize(basis, width);
            Multiply(centred, basis, scores, count, width);
            double[] eigenvalues = RotateToAxes(basis, scores, count, width);
            bool isStable = true;
            for (int k = 0; k < Components; k++)
                isStable &= Math.Abs(eigenvalues[k] - previous[k]) <= Tolerance * eigenvalues[0];
            if (isStable)
                break;
            previous = eigenvalues;
            MultiplyTransposed(centred, scores, basis, count, width);
        }

        return Signed(basis, scores, count, width);
    }

    private static double[] Centred(ReadOnlySpan<float> features, int count, int width)
    {
        double[] mean = new double[width], centred = new double[features.Length];
        for (int i = 0; i < features.Length; i++)
            mean[i % width] += features[i];
        for (int i = 0; i < features.Length; i++)
            centred[i] = features[i] - (mean[i % width] / count);
        return centred;
    }

    /// <summary>[width, 8] numbers without a pattern that features could share.</summary>
    private static double[] StartingBasis(int width)
    {
        double[] basis = new double[width * Block];
        ulong state = 0;
        foreach (ref double value in basis.AsSpan())
        {
            state = (state * 6364136223846793005) + 1442695040888963407;
            value = ((state >> 11) / (double)(1UL << 52)) - 1;
        }

        return basis;
    }

    /// <summary>Gram and Schmidt, twice, which is enough for double precision. A direction that vanishes stays zero.</summary>
    private static void Orthonormalize(double[] basis, int width)
    {
        for (int k = 0; k < Block; k++)
        {
            double before = Math.Sqrt(Dot(basis, k, k, width));
            for (int pass = 0; pass < 2; pass++)
            {
                for (int j = 0; j < k; j++)
                {
                    double along = Dot(basis, j, k, width);
                    for (int i = 0; i < width; i++)
                        basis[(i * Block) + k] -= along * basis[(i * Block) + j];
                }
            }

            double norm = Math.Sqrt(Dot(basis, k, k, width));
            double scale = norm > 1e-12 * before && norm > 0 ? 1 / norm : 0;
            for (int i = 0; i < width; i++)
                basis[(i * Block) + k] *= scale;
        }
    }

    private static double Dot(double[] columns, int j, int k, int rows)
    {
        double sum = 0;
        for (int i = 0; i < rows; i++)
            sum += columns[(i * Block) + j] * columns[(i * Block) + k];
        return sum;
    }

    /// <summary>Turns the basis so that the scores' columns are uncorrelated and come in falling order.</summary>
    /// <returns>The sums of squares of the scores' columns.</returns>
    private static double[] RotateToAxes(double[] basis, double[] scores, int count, int width)
    {
        double[,] covariance = new double[Block, Block];
        for (int j = 0; j < Block; j++)
        {
            for (int k = 0; k <= j; k++)
                covariance[j, k] = covariance[k, j] = Dot(scores, j, k, count);
        }

        (double[] eigenvalues, double[,] vectors) = SymmetricEigen.Decompose(covariance);
        Rotate(basis, vectors, width);
        Rotate(scores, vectors, count);
        return eigenvalues;
    }

    private static void Rotate(double[] columns, double[,] vectors, int rows)
    {
        Span<double> row = stackalloc double[Block];
        for (int i = 0; i < rows; i++)
        {
            Span<double> target = columns.AsSpan(i * Block, Block);
            target.CopyTo(row);
            for (int k = 0; k < Block; k++)
            {
                double sum = 0;
                for (int j = 0; j < Block; j++)
                    sum += row[j] * vectors[j, k];
                target[k] = sum;
            }
        }
    }

    /// <summary>scores = centred * basis.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(ReadOnlySpan<double> centred, ReadOnlySpan<double> basis, Span<double> scores, int count, int width)
    {
        ReadOnlySpan<Vector512<double>> basisRows = MemoryMarshal.Cast<double, Vector512<double>>(basis);
        Span<Vector512<double>> scoreRows = MemoryMarshal.Cast<double, Vector512<double>>(scores);
        for (int row = 0; row < count; row++)
        {
            ReadOnlySpan<double> features = centred.Slice(row * width, width);
            Vector512<double> sum = Vector512<double>.Zero;
            for (int i = 0; i < features.Length; i++)
                sum += Vector512.Create(features[i]) * basisRows[i];
            scoreRows[row] = sum;
        }
    }

    /// <summary>basis = centred^T * scores.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyTransposed(ReadOnlySpan<double> centred, ReadOnlySpan<double> scores, Span<double> basis, int count, int width)
    {
        basis.Clear();
        ReadOnlySpan<Vector512<double>> scoreRows = MemoryMarshal.Cast<double, Vector512<double>>(scores);
        Span<Vector512<double>> basisRows = MemoryMarshal.Cast<double, Vector512<double>>(basis);
        for (int row = 0; row < count; row++)
        {
            ReadOnlySpan<double> features = centred.Slice(row * width, width);
            Vector512<double> score = scoreRows[row];
            for (int i = 0; i < features.Length; i++)
                basisRows[i] += Vector512.Create(features[i]) * score;
        }
    }

    private static double[] Signed(double[] basis, double[] scores, int count, int width)
    {
        double[] projected = new double[count * Components];
        for (int k = 0; k < Components; k++)
        {
            double largest = 0;
            for (int i = 0; i < width; i++)
            {
                double weight = basis[(i * Block) + k];
                largest = Math.Abs(weight) > Math.Abs(largest) ? weight : largest;
            }

            for (int row = 0; row < count; row++)
                projected[(row * Components) + k] = (largest < 0 ? -1 : 1) * scores[(row * Block) + k];
        }

        return projected;
    }
}
