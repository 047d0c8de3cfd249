using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>The functions of the CUDA driver API that are used, under NVIDIA's names. Call them only after
/// <see cref="CudaDriver"/> has found the library.</summary>
internal static partial class CudaDriverApi
{
    /// <summary>CUDA_SUCCESS.</summary>
    public const int Success = 0;

    /// <summary>CUDA_ERROR_NO_DEVICE.</summary>
    public const int NoDevice = 100;

    /// <summary>What <see cref="LibraryImportAttribute"/> binds to; <see cref="CudaDriver"/> resolves it to the platform's file name.</summary>
    public const string Library = "cuda";

    [LibraryImport(Library)]
    public static partial int cuInit(uint flags);

    [LibraryImport(Library)]
    public static partial int cuDriverGetVersion(out int driverVersion);

    [LibraryImport(Library)]
    public static partial int cuDeviceGetCount(out int count);
}
