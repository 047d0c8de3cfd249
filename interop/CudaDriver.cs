using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>What a look at the CUDA driver found.</summary>
/// <param name="DeviceCount">The devices that the driver reports; 0 without a driver.</param>
/// <param name="Finding">A clause that fits after "because": what is there, or what is missing.</param>
internal sealed record CudaDriverStatus(int DeviceCount, string Finding);

/// <summary>Looks for the CUDA driver without needing one.</summary>
internal static class CudaDriver
{
    // The driver's own file, which its package puts on the linker path; never a file in the working directory.
    private static readonly string[] FileNames = OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];

    private static readonly Lazy<nint> Handle = new(Load);

    static CudaDriver() => NativeLibrary.SetDllImportResolver(typeof(CudaDriver).Assembly, Resolve);

    /// <summary>Loads the driver and counts its devices. Never throws for a missing or broken driver.</summary>
    public static CudaDriverStatus Probe()
    {
        if (Handle.Value == 0)
            return new CudaDriverStatus(0, $"no CUDA driver was found ({string.Join(" or ", FileNames)} on the library path)");
        try
        {
            int result = CudaDriverApi.cuInit(0);
            if (result == CudaDriverApi.NoDevice)
                return new CudaDriverStatus(0, "the CUDA driver reports no device");
            if (result != CudaDriverApi.Success || CudaDriverApi.cuDriverGetVersion(out int version) != CudaDriverApi.Success
                || CudaDriverApi.cuDeviceGetCount(out int count) != CudaDriverApi.Success)
                return new CudaDriverStatus(0, string.Create(CultureInfo.InvariantCulture, $"the CUDA driver does not start (cuInit gave error {result})"));
            return new CudaDriverStatus(count, string.Create(CultureInfo.InvariantCulture,
                $"the CUDA driver {version / 1000}.{version % 1000 / 10} reports {count} {(count == 1 ? "device" : "devices")}"));
        }
        catch (EntryPointNotFoundException exception)
        {
            return new CudaDriverStatus(0, $"the library {FileNames[0]} is not a CUDA driver ({exception.Message})");
        }
    }

    private static nint Load()
    {
        foreach (string fileName in FileNames)
        {
            if (NativeLibrary.TryLoad(fileName, typeof(CudaDriver).Assembly, DllImportSearchPath.System32, out nint handle))
                return handle;
        }

        return 0;
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) => name == CudaDriverApi.Library ? Handle.Value : 0;
}
