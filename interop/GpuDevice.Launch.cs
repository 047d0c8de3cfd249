namespace PixioCuda.Interop;

/// <summary>Kernels.</summary>
internal sealed unsafe partial class GpuDevice
{
    private readonly bool _canBeginEarly;

    /// <summary>Fetches a kernel from the cache, or compiles it, and loads it; the same object for the same source and
    /// configuration.</summary>
    /// <inheritdoc cref="KernelLoader.Load(KernelSource)" path="/exception"/>
    public LoadedKernel LoadKernel(KernelSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return _kernels.Load(source);
    }

    /// <summary>How many clusters of a launch can run at a time: fewer than the multiprocessors would suffice for, since those of a cluster
    /// belong to one group, and groups differ in size from device to device.</summary>
    /// <param name="kernel">A kernel of this device.</param>
    /// <param name="config">Block, cluster, shared memory; of the grid only that the cluster divides it.</param>
    /// <exception cref="ArgumentException">The launch is impossible, or has no cluster: the message says why.</exception>
    /// <exception cref="CudaException">The driver refuses it, or earlier work on the device failed.</exception>
    public int MaxActiveClusters(LoadedKernel kernel, in LaunchConfig config)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        LaunchRules.Check(Info, kernel, config);
        if (config.Cluster is not Dim3 cluster)
            throw new ArgumentException($"The launch of {kernel.Source.Title} has no cluster that could be counted.", nameof(config));
        _context.MakeCurrent();
        kernel.Allow(_context, config);
        using var module = new HandleLease(kernel.Module);
        var attribute = new CUlaunchAttribute
        {
            Id = CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
            ClusterDim = cluster,
        };
        var launch = new CUlaunchConfig
        {
            Grid = config.Grid,
            Block = config.Block,
            SharedMemBytes = (uint)config.SharedBytes,
            Attributes = &attribute,
            AttributeCount = 1,
        };
        CUresult result = CudaDriverApi.cuOccupancyMaxActiveClusters(out int count, kernel.Function, &launch);
        if (result != CUresult.CUDA_SUCCESS)
        {
            throw _context.Failure(result, nameof(CudaDriverApi.cuOccupancyMaxActiveClusters),
                $"Asking how many clusters {cluster} of the kernel {kernel.Source.Title} run at a time");
        }

        return count;
    }

    /// <summary>Puts a kernel's launch on a stream; the host does not wait. Allocates nothing.</summary>
    /// <typeparam name="TArgs">The kernel's arguments: its one struct, laid out as the device has it.</typeparam>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="kernel">A kernel of this device.</param>
    /// <param name="config">Grid, block, cluster, shared memory.</param>
    /// <param name="args">Copied before this returns.</param>
    /// <exception cref="ArgumentException">The launch is impossible: the message says why.</exception>
    /// <exception cref="CudaException">The driver refuses it, or earlier work on the device failed.</exception>
    public void Launch<TArgs>(GpuStream stream, LoadedKernel kernel, in LaunchConfig config, in TArgs args)
        where TArgs : unmanaged
    {
        fixed (TArgs* argument = &args)
            Launch(stream, kernel, config, argument, typeof(TArgs), sizeof(TArgs));
    }

    // Not generic, so that it is compiled once and not for each kernel's arguments.
    private void Launch(GpuStream stream, LoadedKernel kernel, in LaunchConfig config, void* argument, Type type, int byteCount)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(kernel);
        LaunchRules.CheckArgs(kernel, type, byteCount);
        LaunchRules.Check(Info, kernel, config);
        _context.MakeCurrent();
        kernel.Allow(_context, config);
        using var lease = new HandleLease(stream.Handle);
        using var module = new HandleLease(kernel.Module);

        CUlaunchAttribute* attributes = stackalloc CUlaunchAttribute[2];
        uint attributeCount = 0;
        if (config.Cluster is Dim3 cluster)
        {
            attributes[attributeCount++] = new CUlaunchAttribute
            {
                Id = CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
                ClusterDim = cluster,
            };
        }

        if (config.Programmatic && _canBeginEarly)
        {
            attributes[attributeCount++] = new CUlaunchAttribute
            {
                Id = CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
                ProgrammaticStreamSerializationAllowed = 1,
            };
        }

        var launch = new CUlaunchConfig
        {
            Grid = config.Grid,
            Block = config.Block,
            SharedMemBytes = (uint)config.SharedBytes,
            Stream = lease.Value,
            Attributes = attributeCount == 0 ? null : attributes,
            AttributeCount = attributeCount,
        };
        // One pointer for each parameter; the packed buffer would place a tensor map at its C offset, where the kernel does not look for it.
        CUresult result = CudaDriverApi.cuLaunchKernelEx(&launch, kernel.Function, &argument, null);
        if (result != CUresult.CUDA_SUCCESS)
        {
            throw _context.Failure(result, nameof(CudaDriverApi.cuLaunchKernelEx),
                $"Launching the kernel {kernel.Source.Title} with grid {config.Grid}, block {config.Block}, "
                + $"{config.SharedBytes} bytes of shared memory");
        }

        stream.LaunchObserver?.Invoke(kernel, config);
    }
}
