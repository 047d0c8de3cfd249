using System.Runtime.InteropServices;

namespace PixioCuda.Cpu;

/// <summary>Native memory aligned to cache lines (and to the widest vectors), outside of the garbage collector's heap.</summary>
internal sealed unsafe class AlignedBuffer : SafeHandle
{
    public const int Alignment = 64;

    private static long _liveByteCount;

    /// <summary>Allocates; the content is undefined, and pages that are never touched cost nothing.</summary>
    /// <exception cref="PixioException">The memory cannot be had.</exception>
    public AlignedBuffer(long byteCount) : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        ByteCount = byteCount;
        try
        {
            SetHandle((nint)NativeMemory.AlignedAlloc(checked((nuint)Math.Max(byteCount, 1)), Alignment));
        }
        catch (OutOfMemoryException exception)
        {
            throw new PixioException(
                $"{byteCount:N0} bytes of memory could not be allocated. Use a smaller batch, picture or model, or a machine with more memory.", exception);
        }

        Interlocked.Add(ref _liveByteCount, byteCount);
    }

    public long ByteCount { get; }

    /// <summary>What all buffers of the process hold now: what tests want back at zero.</summary>
    public static long LiveByteCount => Interlocked.Read(ref _liveByteCount);

    public override bool IsInvalid => handle == 0;

    /// <summary>The first element. Valid while this object is neither disposed nor collected.</summary>
    public float* Floats => (float*)handle;

    /// <summary>The first byte. Valid while this object is neither disposed nor collected.</summary>
    public byte* Bytes => (byte*)handle;

    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        Interlocked.Add(ref _liveByteCount, -ByteCount);
        return true;
    }
}
