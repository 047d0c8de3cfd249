namespace PixioCuda.Kernels;

/// <summary>The bytes that a matrix product reads and writes, each counted once.</summary>
internal readonly struct GemmBytes
{
    private readonly double _flops;

    public GemmBytes(GemmShape shape)
    {
        _flops = shape.Flops;
        long size = shape.Element.ByteCount(), elements = (long)shape.M * shape.N;
        bool applies = shape.Folding == GemmFolding.Applies, prepares = shape.Folding == GemmFolding.Prepares;
        A = (long)shape.M * shape.K * size;
        W = (long)shape.N * shape.K * size;
        Bias = shape.HasBias ? (applies ? 2L : 1L) * shape.N * sizeof(float) : 0;
        Residual = shape.HasResidual ? elements * shape.Residual.ByteCount() : 0;
        Moments = applies ? GemmFoldingOperands.MomentBytes(shape.M, shape.K) : 0;
        Results = (elements * shape.Output.ByteCount())
            + (prepares ? (elements * size) + GemmFoldingOperands.MomentBytes(shape.M, shape.N) : 0);
    }

    /// <summary>The rows of A.</summary>
    public long A { get; }

    /// <summary>The rows of W.</summary>
    public long W { get; }

    /// <summary>The bias; where folding applies, the sums of W's rows with it.</summary>
    public long Bias { get; }

    /// <summary>The residual.</summary>
    public long Residual { get; }

    /// <summary>The moments of A, where folding applies.</summary>
    public long Moments { get; }

    /// <summary>C; where folding prepares, its copy and its moments too.</summary>
    public long Results { get; }

    /// <summary>The work of a launch that asks for so many bytes and writes so many.</summary>
    public KernelWork Work(long asked, long written) => new(asked, written, _flops, A + W + Bias + Residual + Moments + Results);
}
