using System.Globalization;
using System.Runtime.InteropServices;

namespace PixioCuda.Kernels;

/// <summary>What happens to the sums of a matrix product on their way out; the names are those of kernels/include/epilogue.cuh.</summary>
internal enum GemmEpilogue
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>+ bias.</summary>
    Bias,

    /// <summary>GELU (by the error function) of sum + bias.</summary>
    BiasGelu,

    /// <summary>+ bias + residual.</summary>
    BiasResidual,
}

/// <summary>Where the rows of a matrix lie, in elements.</summary>
/// <param name="Pitch">From one row to the next.</param>
/// <param name="Group">Rows of a group; 0 when the pitch alone says where rows lie.</param>
/// <param name="GroupPitch">From one group to the next: the tokens of one image and those of the next.</param>
internal readonly record struct GemmRows(int Pitch, int Group = 0, long GroupPitch = 0)
{
    /// <summary>Whether rows come in groups.</summary>
    public bool IsGrouped => Group > 0;

    /// <summary>Where a row begins.</summary>
    public long Offset(long row) => IsGrouped ? (row / Group * GroupPitch) + (row % Group * Pitch) : row * Pitch;

    /// <summary>The most elements that lie between the beginnings of two of some rows that follow each other, wherever the first is.</summary>
    public long Span(int rowCount)
    {
        long steps = rowCount - 1;
        if (!IsGrouped)
            return steps * Pitch;
        // A step within a group, or one into the next; at least every Group-th is one of those.
        long jump = Math.Max(Pitch, GroupPitch - ((Group - 1L) * Pitch)), jumps = (steps + Group - 1) / Group;
        return ((steps - jumps) * Pitch) + (jumps * jump);
    }

    /// <summary>Whether every row begins at a multiple of a number of elements.</summary>
    public bool IsAligned(int elements) => Pitch % elements == 0 && GroupPitch % elements == 0;
}

/// <summary>C[M, N] = epilogue(A[M, K] W[N, K]^T).</summary>
/// <param name="M">Rows of A: tokens.</param>
/// <param name="N">Rows of W: output features.</param>
/// <param name="K">Columns of both: input features.</param>
/// <param name="Element">The type of A and W.</param>
/// <param name="Output">The type of C.</param>
/// <param name="Epilogue">What follows the product.</param>
/// <param name="Residual">The type of the residual, where there is one.</param>
internal readonly record struct GemmShape(
    int M, int N, int K, ElementType Element, ElementType Output, GemmEpilogue Epilogue, ElementType Residual = ElementType.F32)
{
    /// <summary>The rows of A; dense when left out.</summary>
    public GemmRows? ARows { get; init; }

    /// <summary>The rows of the residual; dense when left out.</summary>
    public GemmRows? ResidualRows { get; init; }

    /// <summary>The rows of C; dense when left out.</summary>
    public GemmRows? CRows { get; init; }

    /// <summary>What it does for a LayerNorm that has no kernel of its own; only by gemm_sm90.cu.</summary>
    public GemmFolding Folding { get; init; }

    /// <summary>Whether the epilogue adds a bias.</summary>
    public bool HasBias => Epilogue != GemmEpilogue.None;

    /// <summary>Whether the epilogue adds a residual.</summary>
    public bool HasResidual => Epilogue == GemmEpilogue.BiasResidual;

    /// <summary>Whether any matrix has its rows in groups.</summary>
    public bool HasGroups => A.IsGrouped || C.IsGrouped || (HasResidual && R.IsGrouped);

    /// <summary>Floating-point operations.</summary>
    public double Flops => 2.0 * M * N * K;

    internal GemmRows A => ARows ?? new(K);

    internal GemmRows R => ResidualRows ?? new(N);

    internal GemmRows C => CRows ?? new(N);

    /// <summary>The most bytes, up to 16, that one copy of A's and W's rows can take.</summary>
    internal int CopyBytes
    {
        get
        {
            int bytes = 16, size = Element.ByteCount();
            while (bytes > size && !(K % (bytes / size) == 0 && A.IsAligned(bytes / size)))
                bytes /= 2;
            return bytes;
        }
    }

    /// <summary>The most columns that one access to C and the residual can take: 16 bytes of the wider one.</summary>
    internal int VectorColumns
    {
        get
        {
            int columns = 16 / Math.Max(Output.ByteCount(), HasResidual ? Residual.ByteCount() : 1);
            while (!(N % columns == 0 && C.IsAligned(columns) && (!HasResidual || R.IsAligned(columns))))
                columns /= 2;
            return columns;
        }
    }

    /// <summary>Refuses what the kernels cannot do.</summary>
    /// <exception cref="ArgumentException">It is no matrix product.</exception>
    /// <exception cref="NotSupportedException">There is no kernel for its types, or its rows lie too far apart.</exception>
    internal void Validate()
    {
        if (M < 1 || N < 1 || K < 1)
            throw new ArgumentException($"A matrix product of {M} x {N} x {K} has no elements: M, N and K are at least 1.");
        if (A.Pitch < K || C.Pitch < N || (HasResidual && R.Pitch < N))
            throw new ArgumentException($"The rows of {this} overlap: a pitch is smaller than the row.");
        bool isFloat = Element == ElementType.F32;
        if (isFloat && (Output != ElementType.F32 || (HasResidual && Residual != ElementType.F32)))
            throw new NotSupportedException("A float32 matrix product has float32 results and residuals.");
        bool isWhole = Folding switch
        {
            GemmFolding.Applies => HasBias && !HasResidual && K % GemmFoldingOperands.MomentColumns == 0,
            GemmFolding.Prepares => HasResidual && N % GemmFoldingOperands.MomentColumns == 0,
            _ => true,
        };
        if (!isWhole)
            throw new NotSupportedException($"LayerNorm cannot be folded into {this}: see {nameof(GemmFolding)}.");
        // Offsets of the rows of a tile (256 at most) are 32-bit numbers of bytes.
        long span = A.Span(Math.Min(M, 256));
        if (span * Element.ByteCount() > uint.MaxValue || (long)K * Element.ByteCount() * 256 > uint.MaxValue)
            throw new NotSupportedException($"The rows of {this} lie too far apart: 256 of them must lie within 4 GiB.");
    }

    public override string ToString()
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"{M} x {N} x {K} ({Element} -> {Output}, {Epilogue}");
        if (HasResidual)
            text += $" of {Residual}";
        if (Folding != GemmFolding.None)
            text += $", folding {(Folding == GemmFolding.Applies ? "applies" : "prepares")}";
        return text + (HasGroups ? $", A by {A}, C by {C})" : ")");
    }
}

/// <summary>The struct Rows of kernels/include/epilogue.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GemmRowsArgs
{
    public ulong GroupPitch;
    public uint Group;
    public uint Pitch;

    public GemmRowsArgs(GemmRows rows, int rowCount)
    {
        GroupPitch = (ulong)rows.GroupPitch;
        // A matrix without groups beside one that has them is one group.
        Group = (uint)(rows.IsGrouped ? rows.Group : rowCount);
        Pitch = (uint)rows.Pitch;
    }
}
