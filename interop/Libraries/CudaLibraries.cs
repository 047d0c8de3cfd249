using System.Reflection;
using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>
/// CUDA's libraries as this process has them: each is looked for when it is first needed, once, and stays loaded.
/// What is bound by <see cref="LibraryImportAttribute"/> under the names below is resolved here and nowhere else.
/// </summary>
internal static class CudaLibraries
{
    /// <summary>What the driver's functions are bound to.</summary>
    public const string DriverName = "cuda";

    /// <summary>What NVRTC's functions are bound to.</summary>
    public const string NvrtcName = "nvrtc";

    /// <summary>What cuBLASLt's functions are bound to.</summary>
    public const string CublasLtName = "cublasLt";

    private static readonly Lazy<Outcome> DriverOutcome = new(() => Outcome.Of(CudaLibraryKind.Driver, null));
    private static readonly Lazy<Outcome> NvrtcOutcome = new(
        () => Outcome.Of(CudaLibraryKind.Nvrtc, DriverOutcome.Value.Library?.Version.Major));
    private static readonly Lazy<Outcome> CublasLtOutcome = new(
        () => Outcome.Of(CudaLibraryKind.CublasLt, DriverOutcome.Value.Library?.Version.Major));

    static CudaLibraries() => NativeLibrary.SetDllImportResolver(typeof(CudaLibraries).Assembly, Resolve);

    /// <summary>The driver.</summary>
    /// <exception cref="CudaLibraryException">It was not found.</exception>
    public static CudaLibrary Driver => DriverOutcome.Value.Get();

    /// <summary>The run-time compiler.</summary>
    /// <exception cref="CudaLibraryException">It was not found.</exception>
    public static CudaLibrary Nvrtc => NvrtcOutcome.Value.Get();

    /// <summary>Matrix products.</summary>
    /// <exception cref="CudaLibraryException">It was not found.</exception>
    public static CudaLibrary CublasLt => CublasLtOutcome.Value.Get();

    /// <summary>Sees to it that the names above are resolved here: the bound classes call it before any of their functions.</summary>
    public static void Register()
    {
        // The static constructor has done it.
    }

    /// <summary>Finds a library without throwing.</summary>
    /// <param name="kind">The library.</param>
    /// <param name="failure">Why there is none.</param>
    /// <returns>The library, or null.</returns>
    public static CudaLibrary? Find(CudaLibraryKind kind, out CudaLibraryException? failure)
    {
        Outcome outcome = (kind switch
        {
            CudaLibraryKind.Driver => DriverOutcome,
            CudaLibraryKind.Nvrtc => NvrtcOutcome,
            _ => CublasLtOutcome,
        }).Value;
        failure = outcome.Failure;
        return outcome.Library;
    }

    // An exception goes through to the caller of the bound function; to return 0 would let the runtime look in places of its own.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) => name switch
    {
        DriverName => Driver.Handle,
        NvrtcName => Nvrtc.Handle,
        CublasLtName => CublasLt.Handle,
        _ => 0,
    };

    private sealed record Outcome(CudaLibrary? Library, CudaLibraryException? Failure)
    {
        public static Outcome Of(CudaLibraryKind kind, int? driverMajor)
        {
            try
            {
                return new Outcome(CudaLibraryLoader.Load(kind, SearchEnvironment.FromProcess(), driverMajor), null);
            }
            catch (CudaLibraryException exception)
            {
                return new Outcome(null, exception);
            }
        }

        // A new exception each time: one that is thrown twice carries the first caller's stack.
        public CudaLibrary Get() => Library
            ?? throw new CudaLibraryException(Failure!.Kind, Failure.Message, Failure)
            { IsMissing = Failure.IsMissing, Summary = Failure.Summary };
    }
}
