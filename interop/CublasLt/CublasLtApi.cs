using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>The functions of cuBLASLt that are used, under NVIDIA's names (cublasLt.h 12.4). All of them need a current context.</summary>
internal static unsafe partial class CublasLtApi
{
    private const string Library = CudaLibraries.CublasLtName;

    // Nothing is bound before the resolver is registered.
    static CublasLtApi() => CudaLibraries.Register();

    [LibraryImport(Library)]
    public static partial nuint cublasLtGetVersion();

    [LibraryImport(Library)]
    public static partial byte* cublasLtGetStatusString(CublasStatus status);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtCreate(out nint handle);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtDestroy(nint handle);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatmulDescCreate(out nint description, CublasComputeType computeType,
        CudaDataType scaleType);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatmulDescDestroy(nint description);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatmulDescSetAttribute(
        nint description, CublasLtMatmulDescAttribute attribute, void* value, nuint byteCount);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatrixLayoutCreate(
        out nint layout, CudaDataType type, ulong rows, ulong columns, long leadingDimension);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatrixLayoutDestroy(nint layout);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatmulPreferenceCreate(out nint preference);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatmulPreferenceDestroy(nint preference);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatmulPreferenceSetAttribute(
        nint preference, CublasLtMatmulPreferenceAttribute attribute, void* value, nuint byteCount);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatmulAlgoGetHeuristic(
        nint handle, nint description, nint a, nint b, nint c, nint d, nint preference, int requestedCount,
        CublasLtMatmulHeuristicResult* results, out int returnedCount);

    [LibraryImport(Library)]
    public static partial CublasStatus cublasLtMatmul(
        nint handle, nint description, void* alpha, ulong a, nint aLayout, ulong b, nint bLayout, void* beta, ulong c, nint cLayout,
        ulong d, nint dLayout, CublasLtMatmulAlgo* algorithm, ulong workspace, nuint workspaceByteCount, nint stream);
}
