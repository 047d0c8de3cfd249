namespace PixioCuda.Interop;

/// <summary>The libraries of CUDA that are used.</summary>
internal enum CudaLibraryKind
{
    /// <summary>The driver: libcuda.so.1, nvcuda.dll.</summary>
    Driver,

    /// <summary>The run-time compiler: libnvrtc, nvrtc64.</summary>
    Nvrtc,

    /// <summary>Matrix products: libcublasLt, cublasLt64.</summary>
    CublasLt,
}
