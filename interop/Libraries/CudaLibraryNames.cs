using System.Globalization;

namespace PixioCuda.Interop;

/// <summary>How CUDA's libraries are called, in words and on disk.</summary>
internal static class CudaLibraryNames
{
    /// <summary>The major versions of NVRTC and cuBLASLt that are accepted, the one to prefer first where nothing is known of the
    /// driver.</summary>
    public static readonly int[] Majors = [13, 12];

    /// <summary>The library's name in a sentence.</summary>
    public static string Title(CudaLibraryKind kind) => kind switch
    {
        CudaLibraryKind.Driver => "the CUDA driver",
        CudaLibraryKind.Nvrtc => "NVRTC (CUDA's run-time compiler)",
        _ => "cuBLASLt (CUDA's library of matrix products)",
    };

    /// <summary>A clause as the beginning of a sentence.</summary>
    public static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>What would help where the library is missing: one command, wherever there is one. Fits after "To get it,".</summary>
    public static string Remedy(CudaLibraryKind kind) => kind switch
    {
        CudaLibraryKind.Driver when OperatingSystem.IsWindows() => "install NVIDIA's driver (version 528 or later)",
        CudaLibraryKind.Driver => "run `sudo apt-get install nvidia-driver` (or your system's like; version 525 or later)",
        CudaLibraryKind.Nvrtc => "run `pip install nvidia-cuda-nvrtc-cu12`",
        _ => "run `pip install nvidia-cublas-cu12`",
    };

    /// <summary>The file names of one major version, as a program that is linked against the library asks for them.</summary>
    /// <param name="kind">The library.</param>
    /// <param name="major">Its major version; the driver has none.</param>
    /// <param name="windows">Whether the names are those of Windows.</param>
    public static string[] FileNames(CudaLibraryKind kind, int major, bool windows) => (kind, windows) switch
    {
        (CudaLibraryKind.Driver, false) => ["libcuda.so.1", "libcuda.so"],
        (CudaLibraryKind.Driver, true) => ["nvcuda.dll"],
        (CudaLibraryKind.Nvrtc, false) => [Invariant($"libnvrtc.so.{major}")],
        (CudaLibraryKind.Nvrtc, true) => [Invariant($"nvrtc64_{major}0_0.dll")],
        (_, false) => [Invariant($"libcublasLt.so.{major}")],
        (_, true) => [Invariant($"cublasLt64_{major}.dll")],
    };

    /// <summary>The builtins library that an NVRTC of this version loads when it compiles.</summary>
    public static string BuiltinsFileName(int major, int minor, bool windows)
        => windows ? Invariant($"nvrtc-builtins64_{major}{minor}.dll") : Invariant($"libnvrtc-builtins.so.{major}.{minor}");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
