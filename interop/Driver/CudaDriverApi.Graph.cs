using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Stream capture and graphs.</summary>
internal static unsafe partial class CudaDriverApi
{
    [LibraryImport(Library)]
    public static partial CUresult cuStreamBeginCapture_v2(nint stream, CUstreamCaptureMode mode);

    [LibraryImport(Library)]
    public static partial CUresult cuStreamEndCapture(nint stream, out nint graph);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphDestroy(nint graph);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphGetNodes(nint graph, nint* nodes, nuint* nodeCount);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphNodeGetType(nint node, out int type);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphKernelNodeGetParams_v2(nint node, CUDA_KERNEL_NODE_PARAMS* parameters);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphInstantiateWithFlags(out nint graphExec, nint graph, ulong flags);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphExecDestroy(nint graphExec);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphExecKernelNodeSetParams_v2(nint graphExec, nint node, CUDA_KERNEL_NODE_PARAMS* parameters);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphExecUpdate_v2(nint graphExec, nint graph, CUgraphExecUpdateResultInfo* result);

    [LibraryImport(Library)]
    public static partial CUresult cuGraphLaunch(nint graphExec, nint stream);
}
