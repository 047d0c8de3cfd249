namespace PixioCuda.Cpu;

/// <summary>The innermost loop of every matrix product: a tile of C from a few rows of A and one packed panel of B. One
/// implementation for each vector width; the tile's shape is what keeps that width's registers and FMA units full.</summary>
internal unsafe interface IMicroKernel
{
    /// <summary>Rows of A and of the tile.</summary>
    static abstract int Rows { get; }

    /// <summary>Columns of the panel and of the tile.</summary>
    static abstract int Columns { get; }

    /// <summary>Columns of a narrow panel, which takes what is left of a matrix that few columns are left of.</summary>
    static abstract int NarrowColumns { get; }

    /// <summary>tile = a * b, or tile += a * b. Sums run over k in ascending order, in one accumulator for each element, so a
    /// product's bits do not depend on what is computed beside it.</summary>
    /// <param name="a">[Rows, depth], rows <see cref="KChunk.Length"/> elements apart.</param>
    /// <param name="b">[depth, Columns], dense.</param>
    /// <param name="depth">k, at most <see cref="KChunk.Length"/>.</param>
    /// <param name="tile">[Rows, Columns], rows a stride apart.</param>
    /// <param name="stride">In elements.</param>
    /// <param name="accumulate">Whether the product is added to what the tile holds.</param>
    /// <param name="next">What is likely to be multiplied after a, in the same layout: it is fetched into the first-level cache meanwhile. Any
    /// address will do, since nothing is read from it.</param>
    /// <param name="far">What will be read much later, as b: it is fetched into the second-level cache meanwhile. Any address will do.</param>
    /// <param name="farStep">How many bytes of it to fetch in each step of k; fetching it little by little leaves the first-level cache's
    /// few outstanding misses to the operands.</param>
    static abstract void Multiply(float* a, float* b, int depth, float* tile, nint stride, bool accumulate, float* next, byte* far, nint farStep);

    /// <summary>As <see cref="Multiply"/>, with b [depth, NarrowColumns] and a tile as wide.</summary>
    static abstract void MultiplyNarrow(float* a, float* b, int depth, float* tile, nint stride, bool accumulate);
}

/// <summary>The cut along K. A sum over all of K in one float32 accumulator loses accuracy (1.2e-6 at K = 5120 against 2.9e-7 in
/// chunks of 256), and a chunk of a panel is what the first-level cache holds.</summary>
internal static class KChunk
{
    public const int Length = 256;

    /// <summary>The number of chunks that K elements fill.</summary>
    public static int Count(int k) => (k + Length - 1) / Length;

    /// <summary>The length of one chunk: <see cref="Length"/>, but for the last.</summary>
    public static int LengthOf(int chunk, int k) => Math.Min(Length, k - (chunk * Length));
}
