using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Modules, functions and launches.</summary>
internal static unsafe partial class CudaDriverApi
{
    [LibraryImport(Library)]
    public static partial CUresult cuModuleLoadDataEx(out nint module, void* image, uint optionCount, int* options, void** optionValues);

    [LibraryImport(Library)]
    public static partial CUresult cuModuleUnload(nint module);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial CUresult cuModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library)]
    public static partial CUresult cuFuncGetAttribute(out int value, CUfunction_attribute attribute, nint function);

    [LibraryImport(Library)]
    public static partial CUresult cuFuncSetAttribute(nint function, CUfunction_attribute attribute, int value);

    [LibraryImport(Library)]
    public static partial CUresult cuOccupancyMaxActiveClusters(out int clusterCount, nint function, CUlaunchConfig* config);

    [LibraryImport(Library)]
    public static partial CUresult cuLaunchKernelEx(CUlaunchConfig* config, nint function, void** kernelParams, void** extra);
}
