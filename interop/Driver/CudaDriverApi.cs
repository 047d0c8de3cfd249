using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>
/// The functions of the CUDA driver API that are used, under NVIDIA's names (cuda.h 12.4). The suffixed names are the present ones; their
/// twins without a suffix are older ABIs that still resolve. Every handle is an <see cref="nint"/> here; <see cref="GpuDevice"/> and its
/// parts hold them safely.
/// </summary>
internal static unsafe partial class CudaDriverApi
{
    private const string Library = CudaLibraries.DriverName;

    // Nothing is bound before the resolver is registered.
    static CudaDriverApi() => CudaLibraries.Register();

    [LibraryImport(Library)]
    public static partial CUresult cuInit(uint flags);

    [LibraryImport(Library)]
    public static partial CUresult cuDriverGetVersion(out int driverVersion);

    [LibraryImport(Library)]
    public static partial CUresult cuGetErrorName(CUresult error, out byte* text);

    [LibraryImport(Library)]
    public static partial CUresult cuGetErrorString(CUresult error, out byte* text);

    /// <param name="symbol">The function's base name, without a version's suffix.</param>
    /// <param name="function">Its address.</param>
    /// <param name="cudaVersion">The version whose ABI is wanted, such as 12000.</param>
    /// <param name="flags">0 for the legacy default stream.</param>
    /// <param name="symbolStatus">0 found, 1 not found, 2 this driver is too old.</param>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial CUresult cuGetProcAddress_v2(string symbol, out nint function, int cudaVersion, ulong flags,
        out int symbolStatus);
}
