using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Devices and their primary contexts.</summary>
internal static unsafe partial class CudaDriverApi
{
    [LibraryImport(Library)]
    public static partial CUresult cuDeviceGetCount(out int count);

    [LibraryImport(Library)]
    public static partial CUresult cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)]
    public static partial CUresult cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library)]
    public static partial CUresult cuDeviceGetUuid_v2(CUuuid* uuid, int device);

    [LibraryImport(Library)]
    public static partial CUresult cuDeviceGetAttribute(out int value, CUdevice_attribute attribute, int device);

    [LibraryImport(Library)]
    public static partial CUresult cuDeviceTotalMem_v2(out nuint bytes, int device);

    [LibraryImport(Library)]
    public static partial CUresult cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(Library)]
    public static partial CUresult cuDevicePrimaryCtxRelease_v2(int device);

    [LibraryImport(Library)]
    public static partial CUresult cuCtxSetCurrent(nint context);
}
