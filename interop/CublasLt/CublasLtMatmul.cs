namespace PixioCuda.Interop;

/// <summary>A matrix product as cuBLASLt is asked for it.</summary>
/// <param name="Rows">M: rows of A and D.</param>
/// <param name="Columns">N: rows of B, columns of D.</param>
/// <param name="Inner">K: columns of A and of B.</param>
/// <param name="Type">The elements of A and B, and, unless it says otherwise, of D and the bias.</param>
/// <param name="HasBias">Whether a bias of N elements is added to each row.</param>
/// <param name="Beta">What C counts, which is D itself unless another one is given: 0 leaves it out, 1 adds it.</param>
internal readonly record struct MatmulShape(int Rows, int Columns, int Inner, CudaDataType Type, bool HasBias = false, float Beta = 0)
{
    /// <summary>The elements of C, D and the bias.</summary>
    public CudaDataType OutputType
    {
        get => _outputType ?? Type;
        init => _outputType = value;
    }

    private readonly CudaDataType? _outputType = null;

    public override string ToString() => $"[{Rows}, {Inner}] x [{Columns}, {Inner}]^T in {Type}";
}

/// <summary>
/// D = A B^T + bias + beta C by cuBLASLt, all row-major and dense: A [M, K], B [N, K], C and D [M, N], bias [N]. Sums are float32. The peer
/// that the hand-written product is measured against, and the other one that a model can be run with.
/// </summary>
internal sealed unsafe class CublasLtMatmul : IDisposable
{
    // cublasOperation_t and cublasLtEpilogue_t.
    private const int Transposed = 1;
    private const int EpilogueDefault = 1;
    private const int EpilogueBias = 4;

    private readonly GpuContext _context;
    private readonly CublasLtHandle _handle;
    private readonly bool _ownsHandle;
    private readonly MatmulDescHandle _description = new();
    private readonly MatrixLayoutHandle _a = new(), _b = new(), _d = new();
    private readonly Lock _describing = new();
    private CublasLtMatmulAlgo _algorithm;

    /// <summary>Chooses an algorithm by cuBLASLt's heuristic.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">The product.</param>
    /// <param name="workspaceByteCount">The most memory that it may use beside the matrices.</param>
    /// <param name="handle">The library in the device's context, which stays its owner's; null to open it for this product alone.</param>
    /// <exception cref="CudaLibraryException">There is no cuBLASLt.</exception>
    /// <exception cref="CublasLtException">It has no algorithm for this.</exception>
    public CublasLtMatmul(GpuDevice device, MatmulShape shape, long workspaceByteCount, CublasLtHandle? handle = null)
    {
        _context = device.Context;
        Shape = shape;
        _ownsHandle = handle is null;
        _handle = handle ?? CublasLtHandle.Open(_context);
        try
        {
            Describe();
            WorkspaceByteCount = Choose(workspaceByteCount);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public MatmulShape Shape { get; }

    /// <summary>The memory that the chosen algorithm uses beside the matrices.</summary>
    public long WorkspaceByteCount { get; }

    /// <summary>Puts the product on a stream. Allocates nothing.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="a">[M, K].</param>
    /// <param name="b">[N, K].</param>
    /// <param name="d">[M, N].</param>
    /// <param name="bias">[N], or null where the shape has none.</param>
    /// <param name="workspace">At least <see cref="WorkspaceByteCount"/> bytes.</param>
    public void Run<T>(
        GpuStream stream, DevicePointer<T> a, DevicePointer<T> b, DevicePointer<T> d, DevicePointer<T> bias, DeviceMemory<byte> workspace)
        where T : unmanaged
    {
        if (sizeof(T) != (Shape.Type == CudaDataType.CUDA_R_32F ? 4 : 2))
            throw new ArgumentException($"The matrix product {Shape} was handed elements of {sizeof(T)} bytes.");
        if (workspace.ByteCount < WorkspaceByteCount)
            throw new ArgumentException(
                $"The matrix product {Shape} needs {WorkspaceByteCount} bytes of workspace, and got {workspace.ByteCount}.");
        Run(stream, a.As<byte>(), b.As<byte>(), d.As<byte>(), d.As<byte>(), bias.As<byte>(), workspace.Pointer);
    }

    /// <summary>Puts the product on a stream. Allocates nothing.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="a">[M, K].</param>
    /// <param name="b">[N, K].</param>
    /// <param name="c">[M, N], read where the shape's beta is not 0; may be <paramref name="d"/>.</param>
    /// <param name="d">[M, N].</param>
    /// <param name="bias">[N], or null where the shape has none.</param>
    /// <param name="workspace">At least <see cref="WorkspaceByteCount"/> bytes.</param>
    public void Run(
        GpuStream stream, DevicePointer<byte> a, DevicePointer<byte> b, DevicePointer<byte> c, DevicePointer<byte> d, DevicePointer<byte> bias,
        DevicePointer<byte> workspace)
    {
        if (bias.IsNull == Shape.HasBias)
            throw new ArgumentException($"The matrix product {Shape} {(Shape.HasBias ? "needs a bias" : "takes no bias")}.");
        _context.MakeCurrent();
        using var lease = new HandleLease(_handle);
        using var streamLease = new HandleLease(stream.Handle);
        // The bias is a part of the description, which all callers share.
        using Lock.Scope describing = _describing.EnterScope();
        if (Shape.HasBias)
        {
            ulong address = bias.Address;
            Set(CublasLtMatmulDescAttribute.CUBLASLT_MATMUL_DESC_BIAS_POINTER, &address, sizeof(ulong));
        }

        float alpha = 1, beta = Shape.Beta;
        CublasLtMatmulAlgo algorithm = _algorithm;
        // Column-major, which cuBLASLt counts in, the row-major D [M, N] is D^T [N, M]: B comes first, and is the transposed one.
        CublasStatus status = CublasLtApi.cublasLtMatmul(
            lease.Value, _description.DangerousGetHandle(), &alpha, b.Address, _b.DangerousGetHandle(), a.Address,
            _a.DangerousGetHandle(), &beta,
            c.Address, _d.DangerousGetHandle(), d.Address, _d.DangerousGetHandle(), &algorithm, workspace.Address,
            (nuint)WorkspaceByteCount, streamLease.Value);
        if (status != CublasStatus.CUBLAS_STATUS_SUCCESS)
            CublasLtException.Check(status, nameof(CublasLtApi.cublasLtMatmul), $"The matrix product {Shape}");
    }

    public void Dispose()
    {
        _description.Dispose();
        _a.Dispose();
        _b.Dispose();
        _d.Dispose();
        if (_ownsHandle)
            _handle.Dispose();
    }

    private void Describe()
    {
        string what = $"Describing the matrix product {Shape}";
        _description.Adopt(
            CublasLtApi.cublasLtMatmulDescCreate(out nint description, CublasComputeType.CUBLAS_COMPUTE_32F,
                CudaDataType.CUDA_R_32F), description,
            nameof(CublasLtApi.cublasLtMatmulDescCreate), what);
        int operation = Transposed, epilogue = Shape.HasBias ? EpilogueBias : EpilogueDefault;
        Set(CublasLtMatmulDescAttribute.CUBLASLT_MATMUL_DESC_TRANSA, &operation, sizeof(int));
        Set(CublasLtMatmulDescAttribute.CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(int));
        if (Shape.HasBias)
        {
            CudaDataType type = Shape.OutputType;
            Set(CublasLtMatmulDescAttribute.CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof(CudaDataType));
        }

        Layout(_b, Shape.Type, Shape.Inner, Shape.Columns, what);
        Layout(_a, Shape.Type, Shape.Inner, Shape.Rows, what);
        Layout(_d, Shape.OutputType, Shape.Columns, Shape.Rows, what);
    }

    // A row-major [count, length] matrix is a column-major one of length rows and count columns.
    private static void Layout(MatrixLayoutHandle layout, CudaDataType type, int length, int count, string what)
        => layout.Adopt(
            CublasLtApi.cublasLtMatrixLayoutCreate(out nint value, type, (ulong)length, (ulong)count, length), value,
            nameof(CublasLtApi.cublasLtMatrixLayoutCreate), what);

    private long Choose(long workspaceByteCount)
    {
        string what = $"Choosing an algorithm for the matrix product {Shape}";
        using var preference = new MatmulPreferenceHandle();
        preference.Adopt(
            CublasLtApi.cublasLtMatmulPreferenceCreate(out nint value), value, nameof(CublasLtApi.cublasLtMatmulPreferenceCreate), what);
        ulong most = checked((ulong)workspaceByteCount);
        CublasLtException.Check(
            CublasLtApi.cublasLtMatmulPreferenceSetAttribute(
                preference.DangerousGetHandle(), CublasLtMatmulPreferenceAttribute.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most,
                sizeof(ulong)),
            nameof(CublasLtApi.cublasLtMatmulPreferenceSetAttribute), what);
        CublasLtMatmulHeuristicResult best;
        CublasStatus status = CublasLtApi.cublasLtMatmulAlgoGetHeuristic(
            _handle.DangerousGetHandle(), _description.DangerousGetHandle(), _b.DangerousGetHandle(), _a.DangerousGetHandle(),
            _d.DangerousGetHandle(), _d.DangerousGetHandle(), preference.DangerousGetHandle(), 1, &best, out int count);
        CublasLtException.Check(status, nameof(CublasLtApi.cublasLtMatmulAlgoGetHeuristic), what);
        CublasLtException.Check(
            count == 0 ? CublasStatus.CUBLAS_STATUS_NOT_SUPPORTED : best.State, nameof(CublasLtApi.cublasLtMatmulAlgoGetHeuristic), what);
        _algorithm = best.Algorithm;
        return checked((long)best.WorkspaceByteCount);
    }

    private void Set(CublasLtMatmulDescAttribute attribute, void* value, int byteCount)
    {
        CublasStatus status = CublasLtApi.cublasLtMatmulDescSetAttribute(_description.DangerousGetHandle(), attribute, value,
            (nuint)byteCount);
        if (status != CublasStatus.CUBLAS_STATUS_SUCCESS)
            CublasLtException.Check(status, nameof(CublasLtApi.cublasLtMatmulDescSetAttribute), $"Describing the matrix product {Shape}");
    }
}
