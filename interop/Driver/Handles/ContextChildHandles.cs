namespace PixioCuda.Interop;

/// <summary>A stream (CUstream).</summary>
internal sealed class StreamHandle(ContextHandle context) : ContextChildHandle(context)
{
    protected override CUresult Destroy(nint value) => CudaDriverApi.cuStreamDestroy_v2(value);
}

/// <summary>An event (CUevent).</summary>
internal sealed class EventHandle(ContextHandle context) : ContextChildHandle(context)
{
    protected override CUresult Destroy(nint value) => CudaDriverApi.cuEventDestroy_v2(value);
}

/// <summary>A module (CUmodule).</summary>
internal sealed class ModuleHandle(ContextHandle context) : ContextChildHandle(context)
{
    protected override CUresult Destroy(nint value) => CudaDriverApi.cuModuleUnload(value);
}

/// <summary>Memory of the device (CUdeviceptr).</summary>
internal sealed class DeviceMemoryHandle(ContextHandle context) : ContextChildHandle(context)
{
    protected override CUresult Destroy(nint value) => CudaDriverApi.cuMemFree_v2((ulong)value);
}

/// <summary>Pinned memory of the host.</summary>
internal sealed class PinnedMemoryHandle(ContextHandle context) : ContextChildHandle(context)
{
    protected override CUresult Destroy(nint value) => CudaDriverApi.cuMemFreeHost(value);
}

/// <summary>A graph (CUgraph).</summary>
internal sealed class GraphHandle(ContextHandle context) : ContextChildHandle(context)
{
    protected override CUresult Destroy(nint value) => CudaDriverApi.cuGraphDestroy(value);
}

/// <summary>A graph that can be launched (CUgraphExec).</summary>
internal sealed class GraphExecHandle(ContextHandle context) : ContextChildHandle(context)
{
    protected override CUresult Destroy(nint value) => CudaDriverApi.cuGraphExecDestroy(value);
}
