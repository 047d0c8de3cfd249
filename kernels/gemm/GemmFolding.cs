using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>What a matrix product does for a LayerNorm that has no kernel of its own. A launch decides it: the kernels are the
/// same.</summary>
internal enum GemmFolding
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A is a copy of the residual stream, and the product one of its normed rows: LayerNorm's weight is in W, its bias in the
    /// bias.</summary>
    Applies,

    /// <summary>Leaves a copy of C in the element type (<see cref="GemmFoldings.CopyFactor"/>), and moments of its rows, for the product
    /// that applies.</summary>
    Prepares,
}

/// <summary>Facts about folding.</summary>
internal static class GemmFoldings
{
    /// <summary>What the residual stream is multiplied by in its copy: float16 then ends at a million.</summary>
    public static float CopyFactor(ElementType element) => element == ElementType.F16 ? 1f / 16 : 1;

    /// <summary>Whether LayerNorms are folded into an encoder's products on a device: in half precision on compute capability 9.0, for
    /// widths that moments divide. The model and the device decide, never the number of rows: a picture's bits must not depend on its
    /// batch.</summary>
    /// <param name="hiddenSize">Columns of the residual stream.</param>
    /// <param name="mlpSize">Columns of the MLP's hidden layer.</param>
    /// <param name="element">What is multiplied.</param>
    /// <param name="device">Whose products they are.</param>
    public static bool Allows(int hiddenSize, int mlpSize, ElementType element, DeviceLimits device)
    {
        if (element == ElementType.F32 || hiddenSize % GemmFoldingOperands.MomentColumns != 0)
            return false;
        GemmShape applies = new(1, 3 * hiddenSize, hiddenSize, element, element, GemmEpilogue.Bias) { Folding = GemmFolding.Applies };
        GemmShape prepares = new(1, hiddenSize, hiddenSize, element, ElementType.F32, GemmEpilogue.BiasResidual)
        {
            Folding = GemmFolding.Prepares,
        };
        GemmShape[] products = [applies, applies with { N = mlpSize }, prepares, prepares with { K = mlpSize }];
        return products.All(shape => WarpgroupGemmTiles.Allows(shape, device));
    }
}

/// <summary>What a product with <see cref="GemmFolding"/> reads or writes beside its matrices.</summary>
/// <param name="Moments">Of rows, a <see cref="MomentByteCount"/> for every <see cref="MomentColumns"/> columns: those of A, [M, K / 64],
/// which are read where folding applies; those of C, [M, N / 64], which are written where it prepares.</param>
/// <param name="RowSums">[N]: the sums of W's rows, where folding applies.</param>
/// <param name="Copy">[M, N] of the element type, where folding prepares.</param>
/// <param name="Eps">LayerNorm's, where folding applies.</param>
internal readonly record struct GemmFoldingOperands(
    DevicePointer<byte> Moments, DevicePointer<float> RowSums = default, DevicePointer<byte> Copy = default, float Eps = 0)
{
    /// <summary>Columns that moments are taken of: mean, and sum of squares around it. The same whatever the tile, and so are the
    /// bits.</summary>
    public const int MomentColumns = 64;

    /// <summary>Mean and sum of squares, float32 each.</summary>
    public const int MomentByteCount = 2 * sizeof(float);

    /// <summary>The bytes of the moments of a matrix.</summary>
    public static long MomentBytes(long rows, long columns) => rows * (columns / MomentColumns) * MomentByteCount;
}
