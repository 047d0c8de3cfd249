using System.Runtime.InteropServices;
using System.Text;
using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>What tests of the driver's rules ask of the emulator. Counts and faults are of the calling thread's calls, unless they say otherwise; all else is the
/// process's, so that who uses it runs alone (<see cref="EmulatorAlone"/>).</summary>
internal static unsafe partial class Emulator
{
    private static delegate* unmanaged<ulong, int, void> _failAt;
    private static delegate* unmanaged<ulong> _callCount;
    private static delegate* unmanaged<byte*, int, int> _failedFunction;
    private static delegate* unmanaged<ulong, int, void> _failProcessAt;
    private static delegate* unmanaged<ulong> _processCallCount;
    private static delegate* unmanaged<byte*, int, int> _processFailedFunction;
    private static delegate* unmanaged<ulong*, void> _liveHandles;
    private static delegate* unmanaged<byte*, int, int> _takeViolations;
    private static delegate* unmanaged<int, ulong, ulong> _setMemoryLimit;
    private static delegate* unmanaged<ulong, ulong> _setDigestThreshold;
    private static delegate* unmanaged<ulong, ulong*, ulong*, int> _digest;

    /// <summary>Whether this process has the emulated driver.</summary>
    public static bool IsLoaded => _liveHandles != null;

    /// <summary>The calls of the driver, of NVRTC and of cuBLASLt by this thread since <see cref="FailAt"/>.</summary>
    public static ulong CallCount => _callCount();

    /// <summary>The function that <see cref="FailAt"/> made fail; empty when it came to nothing.</summary>
    public static string FailedFunction => Text(_failedFunction);

    /// <summary>Skips the running test on hardware, which does not do what the emulator does on purpose.</summary>
    public static void RequireEmulation()
    {
        Require();
        if (IsHardware)
            Assert.Skip("Only the emulated driver can be asked for this.");
    }

    /// <summary>Makes the n-th call from now on by this thread fail; 0 for none.</summary>
    public static void FailAt(ulong n, CUresult result) => _failAt(n, (int)result);

    /// <summary>As <see cref="CallCount"/>, of all threads since <see cref="FailProcessAt"/>.</summary>
    public static ulong ProcessCallCount => _processCallCount();

    /// <summary>The function that <see cref="FailProcessAt"/> made fail; empty when it came to nothing.</summary>
    public static string ProcessFailedFunction => Text(_processFailedFunction);

    /// <summary>Makes the n-th call from now on by any thread fail; 0 for none.</summary>
    public static void FailProcessAt(ulong n, CUresult result) => _failProcessAt(n, (int)result);

    /// <summary>What the driver has handed out and not got back.</summary>
    public static LiveHandles Live()
    {
        LiveHandles live = default;
        _liveHandles((ulong*)&live);
        return live;
    }

    /// <summary>What the program did since the last call that works, but must not be done: a line each.</summary>
    public static string TakeViolations() => Text(_takeViolations);

    /// <summary>The memory that a device has from now on, in bytes; returns what it had.</summary>
    public static ulong SetMemoryLimit(int ordinal, ulong bytes) => _setMemoryLimit(ordinal, bytes);

    /// <summary>Allocations of at least so many bytes keep only a digest; 0 for none. Returns what it was.</summary>
    public static ulong SetDigestThreshold(ulong bytes) => _setDigestThreshold(bytes);

    /// <summary>The digest of an allocation, and how many of its bytes were copied in.</summary>
    public static (ulong Digest, ulong ByteCount) DigestOf(ulong address)
    {
        ulong digest, bytes;
        Assert.True(_digest(address, &digest, &bytes) != 0, "The allocation keeps no digest.");
        return (digest, bytes);
    }

    private static void LoadControls(nint library)
    {
        _failAt = (delegate* unmanaged<ulong, int, void>)NativeLibrary.GetExport(library, "emulatorFailAt");
        _callCount = (delegate* unmanaged<ulong>)NativeLibrary.GetExport(library, "emulatorCallCount");
        _failedFunction = (delegate* unmanaged<byte*, int, int>)NativeLibrary.GetExport(library, "emulatorFailedFunction");
        _failProcessAt = (delegate* unmanaged<ulong, int, void>)NativeLibrary.GetExport(library, "emulatorFailProcessAt");
        _processCallCount = (delegate* unmanaged<ulong>)NativeLibrary.GetExport(library, "emulatorProcessCallCount");
        _processFailedFunction = (delegate* unmanaged<byte*, int, int>)NativeLibrary.GetExport(library, "emulatorProcessFailedFunction");
        _liveHandles = (delegate* unmanaged<ulong*, void>)NativeLibrary.GetExport(library, "emulatorLiveHandles");
        _takeViolations = (delegate* unmanaged<byte*, int, int>)NativeLibrary.GetExport(library, "emulatorTakeViolations");
        _setMemoryLimit = (delegate* unmanaged<int, ulong, ulong>)NativeLibrary.GetExport(library, "emulatorSetMemoryLimit");
        _setDigestThreshold = (delegate* unmanaged<ulong, ulong>)NativeLibrary.GetExport(library, "emulatorSetDigestThreshold");
        _digest = (delegate* unmanaged<ulong, ulong*, ulong*, int>)NativeLibrary.GetExport(library, "emulatorDigest");
    }

    private static string Text(delegate* unmanaged<byte*, int, int> read)
    {
        byte[] text = new byte[1 << 16];
        fixed (byte* buffer = text)
            return Encoding.UTF8.GetString(buffer, Math.Min(read(buffer, text.Length), text.Length) - 1);
    }

    /// <summary>Laid out as the emulated driver's kinds of handles.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal record struct LiveHandles
    {
        public ulong Contexts;
        public ulong Streams;
        public ulong Events;
        public ulong Modules;
        public ulong DeviceAllocations;
        public ulong PinnedAllocations;
        public ulong Graphs;
        public ulong GraphExecs;
    }
}

/// <summary>For tests that count or limit what belongs to the whole process, or that end the context which all tests share: they run while
/// no other test does.</summary>
[CollectionDefinition(nameof(EmulatorAlone), DisableParallelization = true)]
public sealed class EmulatorAlone;
