using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Asks a library that has just been loaded for its version.</summary>
internal static unsafe class LibraryVersion
{
    /// <summary>The version, or null with a clause that says why there is none.</summary>
    public static Version? Read(CudaLibraryKind kind, nint handle, out string problem)
    {
        string function = kind switch
        {
            CudaLibraryKind.Driver => "cuDriverGetVersion",
            CudaLibraryKind.Nvrtc => "nvrtcVersion",
            _ => "cublasLtGetVersion",
        };
        if (!NativeLibrary.TryGetExport(handle, function, out nint address))
        {
            problem = $"it has no function {function}";
            return null;
        }

        problem = $"{function} failed";
        switch (kind)
        {
            case CudaLibraryKind.Driver:
                int version = 0;
                return ((delegate* unmanaged<int*, int>)address)(&version) == 0 ? new Version(version / 1000, version % 1000 / 10) : null;
            case CudaLibraryKind.Nvrtc:
                int major = 0, minor = 0;
                return ((delegate* unmanaged<int*, int*, int>)address)(&major, &minor) == 0 ? new Version(major, minor) : null;
            default:
                // 120402 is 12.4.2.
                nuint number = ((delegate* unmanaged<nuint>)address)();
                return new Version((int)(number / 10000), (int)(number % 10000 / 100));
        }
    }
}
