namespace PixioCuda.Interop;

/// <summary>A launch of a kernel within a graph.</summary>
/// <param name="Node">The driver's handle; valid as long as its graph.</param>
/// <param name="Function">The kernel's function, as <see cref="LoadedKernel.Function"/>.</param>
internal readonly record struct GraphKernelNode(nint Node, nint Function);

/// <summary>Work that was recorded from a stream. Nothing of it has been done.</summary>
internal sealed unsafe class GpuGraph : IDisposable
{
    private readonly GpuContext _context;

    internal GpuGraph(GpuContext context, GraphHandle handle)
    {
        _context = context;
        Handle = handle;
    }

    internal GraphHandle Handle { get; }

    /// <summary>How many operations it has.</summary>
    public int NodeCount
    {
        get
        {
            _context.MakeCurrent();
            using var lease = new HandleLease(Handle);
            return Count(lease.Value);
        }
    }

    /// <summary>The launches of kernels in it, in the driver's order, which is that of their recording for a graph from one
    /// stream.</summary>
    public IReadOnlyList<GraphKernelNode> KernelNodes()
    {
        const int KernelType = 0;
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        nint[] nodes = new nint[Count(lease.Value)];
        var kernels = new List<GraphKernelNode>();
        if (nodes.Length == 0)
            return kernels;
        fixed (nint* destination = nodes)
        {
            nuint count = (nuint)nodes.Length;
            _context.Check(CudaDriverApi.cuGraphGetNodes(lease.Value, destination, &count), nameof(CudaDriverApi.cuGraphGetNodes));
        }

        foreach (nint node in nodes)
        {
            _context.Check(CudaDriverApi.cuGraphNodeGetType(node, out int type), nameof(CudaDriverApi.cuGraphNodeGetType));
            if (type != KernelType)
                continue;
            CUDA_KERNEL_NODE_PARAMS parameters;
            _context.Check(CudaDriverApi.cuGraphKernelNodeGetParams_v2(node, &parameters),
                nameof(CudaDriverApi.cuGraphKernelNodeGetParams_v2));
            kernels.Add(new GraphKernelNode(node, parameters.Function));
        }

        return kernels;
    }

    /// <summary>Makes it ready to be launched, over and over.</summary>
    public GpuGraphExec Instantiate()
    {
        _context.MakeCurrent();
        var handle = new GraphExecHandle(_context.Handle);
        using var lease = new HandleLease(Handle);
        CUresult result = CudaDriverApi.cuGraphInstantiateWithFlags(out nint value, lease.Value, 0);
        return new GpuGraphExec(
            _context, _context.Adopt(handle, result, value, nameof(CudaDriverApi.cuGraphInstantiateWithFlags), "Making a graph ready"));
    }

    public void Dispose() => Handle.Dispose();

    private int Count(nint graph)
    {
        nuint count = 0;
        _context.Check(CudaDriverApi.cuGraphGetNodes(graph, null, &count), nameof(CudaDriverApi.cuGraphGetNodes));
        return checked((int)count);
    }
}
