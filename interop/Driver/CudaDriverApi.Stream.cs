using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Streams and events.</summary>
internal static unsafe partial class CudaDriverApi
{
    [LibraryImport(Library)]
    public static partial CUresult cuStreamCreate(out nint stream, uint flags);

    [LibraryImport(Library)]
    public static partial CUresult cuStreamDestroy_v2(nint stream);

    [LibraryImport(Library)]
    public static partial CUresult cuStreamSynchronize(nint stream);

    [LibraryImport(Library)]
    public static partial CUresult cuStreamQuery(nint stream);

    [LibraryImport(Library)]
    public static partial CUresult cuStreamWaitEvent(nint stream, nint @event, uint flags);

    [LibraryImport(Library)]
    public static partial CUresult cuEventCreate(out nint @event, uint flags);

    [LibraryImport(Library)]
    public static partial CUresult cuEventDestroy_v2(nint @event);

    [LibraryImport(Library)]
    public static partial CUresult cuEventRecord(nint @event, nint stream);

    [LibraryImport(Library)]
    public static partial CUresult cuEventSynchronize(nint @event);

    [LibraryImport(Library)]
    public static partial CUresult cuEventQuery(nint @event);

    /// <summary>Absent from drivers before CUDA 13 is its successor cuEventElapsedTime_v2; this one is in all of them.</summary>
    [LibraryImport(Library)]
    public static partial CUresult cuEventElapsedTime(out float milliseconds, nint start, nint end);
}
