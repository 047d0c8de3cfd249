namespace PixioCuda.Interop;

/// <summary>A graph that can be launched: one call for all its work. Its kernels and memory must outlive it. One launch of it runs at a
/// time.</summary>
internal sealed unsafe class GpuGraphExec : IDisposable
{
    private readonly GpuContext _context;

    internal GpuGraphExec(GpuContext context, GraphExecHandle handle)
    {
        _context = context;
        Handle = handle;
    }

    internal GraphExecHandle Handle { get; }

    /// <summary>Puts all its work on a stream.</summary>
    public void Launch(GpuStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        using var streamLease = new HandleLease(stream.Handle);
        _context.Check(CudaDriverApi.cuGraphLaunch(lease.Value, streamLease.Value), nameof(CudaDriverApi.cuGraphLaunch));
    }

    /// <summary>Takes over the parameters of another graph with the same operations in the same order. Launches that have begun keep
    /// theirs.</summary>
    /// <returns>Whether that was possible; if not, instantiate the other graph.</returns>
    public bool TryUpdate(GpuGraph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        using var graphLease = new HandleLease(graph.Handle);
        CUgraphExecUpdateResultInfo info;
        CUresult result = CudaDriverApi.cuGraphExecUpdate_v2(lease.Value, graphLease.Value, &info);
        if (result == CUresult.CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE)
            return false;
        _context.Check(result, nameof(CudaDriverApi.cuGraphExecUpdate_v2));
        return true;
    }

    /// <summary>Gives one launch within it other arguments. Launches that have begun keep theirs.</summary>
    /// <typeparam name="TArgs">The kernel's arguments.</typeparam>
    /// <param name="node">The launch, of the graph that this was made of, which must still be there.</param>
    /// <param name="kernel">Its kernel.</param>
    /// <param name="config">How it is launched: without a change of its cluster.</param>
    /// <param name="args">The new arguments.</param>
    public void SetKernelArguments<TArgs>(GraphKernelNode node, LoadedKernel kernel, in LaunchConfig config, in TArgs args)
        where TArgs : unmanaged
    {
        ArgumentNullException.ThrowIfNull(kernel);
        LaunchRules.CheckArgs(kernel, typeof(TArgs), sizeof(TArgs));
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        fixed (TArgs* argument = &args)
        {
            void* parameter = argument;
            var parameters = new CUDA_KERNEL_NODE_PARAMS
            {
                Function = kernel.Function,
                Grid = config.Grid,
                Block = config.Block,
                SharedMemBytes = checked((uint)config.SharedBytes),
                KernelParams = &parameter,
            };
            CUresult result = CudaDriverApi.cuGraphExecKernelNodeSetParams_v2(lease.Value, node.Node, &parameters);
            _context.Check(result, nameof(CudaDriverApi.cuGraphExecKernelNodeSetParams_v2));
        }
    }

    public void Dispose() => Handle.Dispose();
}
