using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The emulated CUDA driver: built from tests/emulator when its sources change, and found by the program under test as a user's
/// own libraries are, through PIXIO_CUDA_LIBRARIES. With PIXIO_TEST_DEVICE=hardware the same tests run on the machine's GPU instead.</summary>
internal static unsafe partial class Emulator
{
    /// <summary>The trait of tests that are about the emulated driver itself, and leave nothing to see on a GPU: "Category=Emulator".</summary>
    public const string Category = "Category";

    /// <summary>Its value.</summary>
    public const string Only = "Emulator";

    private static readonly string SourceFolder = Path.Combine(Repository.Root, "tests", "emulator");
    private static readonly string KernelCacheFolder = Directory.CreateTempSubdirectory("pixio-emulated-kernels-").FullName;

    private static string? _whyMissing;
    private static delegate* unmanaged<ulong, void> _setSeed;
    private static delegate* unmanaged<Traffic*, ulong*, void> _takeTraffic;
    private static delegate* unmanaged<byte*, int, int> _lastError;

    /// <summary>Whether the tests run on a real GPU.</summary>
    public static bool IsHardware { get; } = Environment.GetEnvironmentVariable("PIXIO_TEST_DEVICE") == "hardware";

    /// <summary>The first emulated device of an architecture, or the real GPU. Skips the running test where there is neither; on
    /// continuous integration it fails instead.</summary>
    public static GpuDevice Open(ComputeCapability? capability = null)
    {
        Require();
        GpuDeviceInfo? info = GpuDevice.List().FirstOrDefault(device => capability is null || device.ComputeCapability == capability);
        if (info is null)
            Assert.Skip($"There is no device of compute capability {capability} here.");
        return GpuDevice.Open(info.Ordinal);
    }

    /// <summary>Skips the running test where neither the emulator can be built nor hardware was asked for.</summary>
    public static void Require()
    {
        if (_whyMissing is null)
            return;
        Assert.False(Environment.GetEnvironmentVariable("CI") == "true", _whyMissing);
        Assert.Skip(_whyMissing);
    }

    /// <summary>Everything that this thread runs from now on interleaves as the seed says.</summary>
    public static void SetSeed(ulong seed)
    {
        if (!IsHardware)
            _setSeed(seed);
    }

    /// <summary>What the launches that ran on this thread have moved since the last call.</summary>
    public static Traffic TakeTraffic()
    {
        Traffic traffic = default;
        ulong launches = 0;
        // A GPU does not count.
        if (IsHardware)
            return traffic;
        _takeTraffic(&traffic, &launches);
        return traffic;
    }

    /// <summary>What the emulator has to say of the last thing that went wrong.</summary>
    public static string LastError()
    {
        byte[] text = new byte[4096];
        fixed (byte* buffer = text)
        {
            int length = Math.Min(_lastError(buffer, text.Length), text.Length) - 1;
            return Encoding.UTF8.GetString(text, 0, length);
        }
    }

    // The resolver looks for libraries once in each process: before any test.
    [ModuleInitializer]
    internal static void Initialize()
    {
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(KernelCacheFolder, recursive: true);
        // On hardware, where NVRTC takes its time, whoever runs the tests may keep the kernels.
        if (!IsHardware || Environment.GetEnvironmentVariable("PIXIO_CACHE_DIR") is null)
            Environment.SetEnvironmentVariable("PIXIO_CACHE_DIR", KernelCacheFolder);
        if (IsHardware)
            return;
        string folder = Path.Combine(SourceFolder, "build", KeyOfSources());
        string driver = Path.Combine(folder, "libcuda.so.1");
        if (!File.Exists(driver))
            _whyMissing = Build(folder);
        if (_whyMissing is not null)
            return;
        Environment.SetEnvironmentVariable("PIXIO_CUDA_LIBRARIES", folder);
        nint library = NativeLibrary.Load(driver);
        _setSeed = (delegate* unmanaged<ulong, void>)NativeLibrary.GetExport(library, "emulatorSetSeed");
        _takeTraffic = (delegate* unmanaged<Traffic*, ulong*, void>)NativeLibrary.GetExport(library, "emulatorTakeTraffic");
        _lastError = (delegate* unmanaged<byte*, int, int>)NativeLibrary.GetExport(library, "emulatorLastError");
        LoadControls(library);
    }

    private static string KeyOfSources()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // What is built is no source: it would change its own key.
        string built = Path.Combine(SourceFolder, "build") + Path.DirectorySeparatorChar;
        foreach (string file in Directory.EnumerateFiles(SourceFolder, "*", SearchOption.AllDirectories)
            .Where(file => !file.StartsWith(built, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            if (file.EndsWith(".cpp", StringComparison.Ordinal) || file.EndsWith(".h", StringComparison.Ordinal) || file.EndsWith(".sh", StringComparison.Ordinal))
                hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    /// <summary>Null when it was built, else the reason why not.</summary>
    private static string? Build(string folder)
    {
        ProcessStartInfo start = new(Path.Combine(SourceFolder, "build.sh"), [folder]) { RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode == 0)
                return null;
            return errors.Contains("g++: command not found", StringComparison.Ordinal) || errors.Contains("g++: not found", StringComparison.Ordinal)
                ? "The emulated CUDA driver is built with g++, which is not on this machine: install g++."
                : throw new InvalidOperationException($"tests/emulator/build.sh failed:\n{errors}");
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            return $"The emulated CUDA driver is built by tests/emulator/build.sh, which does not run on this machine: {exception.Message}.";
        }
    }

    /// <summary>Laid out as tests/emulator/runtime/traffic.h has it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Traffic
    {
        public ulong GlobalReadBytes;
        public ulong GlobalWriteBytes;
        public ulong SharedAccesses;
        public ulong BankConflicts;
        public ulong TensorFlops;
    }
}
