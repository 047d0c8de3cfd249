namespace PixioCuda.Cli.Show;

/// <summary>Eigenvalues and eigenvectors of small symmetric matrices, by Jacobi's rotations.</summary>
internal static class SymmetricEigen
{
    // Convergence is quadratic; matrices of 8 x 8 take about six sweeps.
    private const int MaxSweeps = 40;

    /// <summary>Decomposes a matrix.</summary>
    /// <param name="matrix">[n, n], symmetric.</param>
    /// <returns>The eigenvalues, largest first, and the eigenvectors as columns in the same order.</returns>
    public static (double[] Values, double[,] Vectors) Decompose(double[,] matrix)
    {
        int n = matrix.GetLength(0);
        double[,] a = (double[,])matrix.Clone();
        double[,] vectors = new double[n, n];
        for (int i = 0; i < n; i++)
            vectors[i, i] = 1;
        for (int sweep = 0; sweep < MaxSweeps; sweep++)
        {
            bool rotated = false;
            for (int p = 0; p < n; p++)
            {
                for (int q = p + 1; q < n; q++)
                    rotated |= Rotate(a, vectors, p, q);
            }

            if (!rotated)
                break;
        }

        int[] order = [.. Enumerable.Range(0, n).OrderByDescending(i => a[i, i])];
        double[] values = [.. order.Select(i => a[i, i])];
        double[,] sorted = new double[n, n];
        for (int k = 0; k < n; k++)
        {
            for (int i = 0; i < n; i++)
                sorted[i, k] = vectors[i, order[k]];
        }

        return (values, sorted);
    }

    /// <summary>Turns the plane of two axes so that the element between them vanishes.</summary>
    /// <returns>Whether there was anything to turn.</returns>
    private static bool Rotate(double[,] a, double[,] vectors, int p, int q)
    {
        // Below this the element does not change the diagonal any more.
        if (Math.Abs(a[p, q]) <= 1e-17 * Math.Sqrt(Math.Abs(a[p, p] * a[q, q])) || a[p, q] == 0)
            return false;
        double theta = (a[q, q] - a[p, p]) / (2 * a[p, q]);
        // The smaller of the two angles; where theta overflows, its limit 0 is right.
        double tangent = (theta < 0 ? -1 : 1) / (Math.Abs(theta) + Math.Sqrt((theta * theta) + 1));
        double cosine = 1 / Math.Sqrt((tangent * tangent) + 1), sine = tangent * cosine;
        int n = a.GetLength(0);
        for (int i = 0; i < n; i++)
            (a[i, p], a[i, q]) = ((cosine * a[i, p]) - (sine * a[i, q]), (sine * a[i, p]) + (cosine * a[i, q]));
        for (int i = 0; i < n; i++)
            (a[p, i], a[q, i]) = ((cosine * a[p, i]) - (sine * a[q, i]), (sine * a[p, i]) + (cosine * a[q, i]));
        for (int i = 0; i < n; i++)
            (vectors[i, p], vectors[i, q]) = ((cosine * vectors[i, p]) - (sine * vectors[i, q]), (sine * vectors[i, p]) + (cosine * vectors[i, q]));
        a[p, q] = a[q, p] = 0;
        return true;
    }
}
