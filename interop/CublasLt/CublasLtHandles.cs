using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>An object of cuBLASLt that belongs to no context: a description of a product, of a matrix, or of what is preferred.</summary>
internal abstract class CublasLtObject : SafeHandle
{
    protected CublasLtObject()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Takes over what a function has made.</summary>
    public void Adopt(CublasStatus status, nint value, string function, string what)
    {
        if (status == CublasStatus.CUBLAS_STATUS_SUCCESS)
            SetHandle(value);
        CublasLtException.Check(status, function, what);
    }
}

/// <summary>What a product computes (cublasLtMatmulDesc_t).</summary>
internal sealed class MatmulDescHandle : CublasLtObject
{
    protected override bool ReleaseHandle() => CublasLtApi.cublasLtMatmulDescDestroy(handle) == CublasStatus.CUBLAS_STATUS_SUCCESS;
}

/// <summary>How a matrix lies in memory (cublasLtMatrixLayout_t).</summary>
internal sealed class MatrixLayoutHandle : CublasLtObject
{
    protected override bool ReleaseHandle() => CublasLtApi.cublasLtMatrixLayoutDestroy(handle) == CublasStatus.CUBLAS_STATUS_SUCCESS;
}

/// <summary>What is preferred of an algorithm (cublasLtMatmulPreference_t).</summary>
internal sealed class MatmulPreferenceHandle : CublasLtObject
{
    protected override bool ReleaseHandle() => CublasLtApi.cublasLtMatmulPreferenceDestroy(handle) == CublasStatus.CUBLAS_STATUS_SUCCESS;
}

/// <summary>The library as one context uses it (cublasLtHandle_t); it holds memory of the device.</summary>
internal sealed class CublasLtHandle(ContextHandle context) : ContextChildHandle(context)
{
    /// <summary>Opens the library in a context, which is made current.</summary>
    /// <exception cref="CudaLibraryException">There is no cuBLASLt.</exception>
    public static CublasLtHandle Open(GpuContext context)
    {
        context.MakeCurrent();
        var handle = new CublasLtHandle(context.Handle);
        try
        {
            CublasStatus status = CublasLtApi.cublasLtCreate(out nint value);
            CublasLtException.Check(status, nameof(CublasLtApi.cublasLtCreate), $"Opening cuBLASLt on {context.Title}");
            handle.Adopt(value);
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    protected override CUresult Destroy(nint value) => CublasLtApi.cublasLtDestroy(value) == CublasStatus.CUBLAS_STATUS_SUCCESS
        ? CUresult.CUDA_SUCCESS : CUresult.CUDA_ERROR_UNKNOWN;
}
