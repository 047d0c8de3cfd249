using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Memory of the device and pinned memory of the host.</summary>
internal static unsafe partial class CudaDriverApi
{
    [LibraryImport(Library)]
    public static partial CUresult cuMemAlloc_v2(out ulong pointer, nuint byteCount);

    [LibraryImport(Library)]
    public static partial CUresult cuMemFree_v2(ulong pointer);

    [LibraryImport(Library)]
    public static partial CUresult cuMemHostAlloc(out nint pointer, nuint byteCount, uint flags);

    [LibraryImport(Library)]
    public static partial CUresult cuMemFreeHost(nint pointer);

    [LibraryImport(Library)]
    public static partial CUresult cuMemGetInfo_v2(out nuint free, out nuint total);

    [LibraryImport(Library)]
    public static partial CUresult cuMemcpyHtoDAsync_v2(ulong destination, nint source, nuint byteCount, nint stream);

    [LibraryImport(Library)]
    public static partial CUresult cuMemcpyDtoHAsync_v2(nint destination, ulong source, nuint byteCount, nint stream);

    [LibraryImport(Library)]
    public static partial CUresult cuMemcpyDtoDAsync_v2(ulong destination, ulong source, nuint byteCount, nint stream);

    [LibraryImport(Library)]
    public static partial CUresult cuMemsetD8Async(ulong destination, byte value, nuint byteCount, nint stream);

    [LibraryImport(Library)]
    public static partial CUresult cuTensorMapEncodeTiled(
        TensorMap* tensorMap, int dataType, uint rank, ulong globalAddress, ulong* globalDim, ulong* globalStrides, uint* boxDim,
        uint* elementStrides,
        int interleave, int swizzle, int l2Promotion, int outOfBoundsFill);
}
