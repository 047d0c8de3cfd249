using System.Globalization;

namespace PixioCuda.Interop;

/// <summary>What a look at the CUDA driver found.</summary>
/// <param name="DeviceCount">The devices that the driver reports; 0 without a driver.</param>
/// <param name="Finding">A clause that fits after "because": what is there, or what is missing.</param>
internal sealed record CudaDriverStatus(int DeviceCount, string Finding);

/// <summary>The driver as a whole: whether there is one, and its start.</summary>
internal static class CudaDriver
{
    /// <summary>The oldest driver whose functions are all there that are used.</summary>
    public static readonly Version MinimumVersion = new(12, 0);

    /// <summary>Loads the driver and counts its devices. Never throws for a missing or broken driver.</summary>
    public static CudaDriverStatus Probe()
    {
        if (CudaLibraries.Find(CudaLibraryKind.Driver, out CudaLibraryException? failure) is not CudaLibrary library)
            return new CudaDriverStatus(0, failure!.IsMissing
                ? "no CUDA driver was found ("
                    + string.Join(" or ", CudaLibraryNames.FileNames(CudaLibraryKind.Driver, 0, OperatingSystem.IsWindows()))
                    + " on the library path)"
                : failure.Summary);
        if (library.Version < MinimumVersion)
            return new CudaDriverStatus(0, $"the CUDA driver supports only CUDA {library.Version} ({MinimumVersion} or later is needed)");
        try
        {
            CUresult result = CudaDriverApi.cuInit(0);
            if (result == CUresult.CUDA_ERROR_NO_DEVICE)
                return new CudaDriverStatus(0, "the CUDA driver reports no device");
            if (result != CUresult.CUDA_SUCCESS)
                return new CudaDriverStatus(0, $"the CUDA driver does not start (cuInit gave {CudaErrors.Describe(result)})");
            result = CudaDriverApi.cuDeviceGetCount(out int count);
            if (result != CUresult.CUDA_SUCCESS)
                return new CudaDriverStatus(0,
                    $"the CUDA driver does not count its devices (cuDeviceGetCount gave {CudaErrors.Describe(result)})");
            return new CudaDriverStatus(count, string.Create(CultureInfo.InvariantCulture,
                $"the CUDA driver {library.Version} reports {count} {(count == 1 ? "device" : "devices")}"));
        }
        catch (EntryPointNotFoundException exception)
        {
            return new CudaDriverStatus(0, $"the library {library.Path} is not a CUDA driver ({exception.Message})");
        }
    }

    /// <summary>Starts the driver; needed before any other of its functions. May be called often.</summary>
    /// <exception cref="CudaLibraryException">There is no driver, or it is too old.</exception>
    /// <exception cref="CudaException">The driver does not start, as on a machine without a GPU.</exception>
    public static void Initialize()
    {
        CudaLibrary library = CudaLibraries.Driver;
        if (library.Version < MinimumVersion)
        {
            string summary = $"the CUDA driver {library.Path} supports only CUDA {library.Version}";
            throw new CudaLibraryException(CudaLibraryKind.Driver, $"{CudaLibraryNames.Sentence(summary)}, "
                + $"and {MinimumVersion} or later is needed: update NVIDIA's driver to version 525 or later.")
            { Summary = summary };
        }

        CUresult result = CudaDriverApi.cuInit(0);
        if (result != CUresult.CUDA_SUCCESS)
            throw CudaErrors.Create(result, nameof(CudaDriverApi.cuInit), "The CUDA driver does not start:");
    }
}
