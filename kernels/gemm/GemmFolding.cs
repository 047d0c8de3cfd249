using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>What a matrix product does for a LayerNorm that has no kernel of its own; the names are those of
/// kernels/include/folding.cuh.</summary>
internal enum GemmFolding
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A is a copy of the residual stream, and the product one of its normed rows: LayerNorm's weight is in W, its bias in the
    /// bias.</summary>
    Applies,

    /// <summary>Leaves a copy of C in the element type, and moments of its rows, for the product that applies.</summary>
    Prepares,
}

/// <summary>What a product with <see cref="GemmFolding"/> reads or writes beside its matrices.</summary>
/// <param name="Moments">Of rows, a <see cref="MomentByteCount"/> for every <see cref="MomentColumns"/> columns: those of A, [M, K / 64], which
/// are read where folding applies; those of C, [M, N / 64], which are written where it prepares.</param>
/// <param name="RowSums">[N]: the sums of W's rows, where folding applies.</param>
/// <param name="Copy">[M, N] of the element type, where folding prepares.</param>
/// <param name="Eps">LayerNorm's, where folding applies.</param>
internal readonly record struct GemmFoldingOperands(
    DevicePointer<byte> Moments, DevicePointer<float> RowSums = default, DevicePointer<byte> Copy = default, float Eps = 0)
{
    /// <summary>Columns that moments are taken of: mean, and sum of squares around it. The same whatever the tile, and so are the bits.</summary>
    public const int MomentColumns = 64;

    /// <summary>Mean and sum of squares, float32 each.</summary>
    public const int MomentByteCount = 2 * sizeof(float);

    /// <summary>The bytes of the moments of a matrix.</summary>
    public static long MomentBytes(long rows, long columns) => rows * (columns / MomentColumns) * MomentByteCount;
}
