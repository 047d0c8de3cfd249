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
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(kernel);
        LaunchRules.CheckArgs<TArgs>(kernel);
        LaunchRules.Check(Info, kernel, config);
        _context.MakeCurrent();
        kernel.AllowDynamicShared(_context, config.SharedBytes);
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
        fixed (TArgs* argument = &args)
        {
            // One pointer for each parameter; the packed buffer would place a tensor map at its C offset, where the kernel does not look
            // for it.
            void* parameter = argument;
            CUresult result = CudaDriverApi.cuLaunchKernelEx(&launch, kernel.Function, &parameter, null);
            if (result != CUresult.CUDA_SUCCESS)
            {
                throw _context.Failure(result, nameof(CudaDriverApi.cuLaunchKernelEx),
                    $"Launching the kernel {kernel.Source.Title} with grid {config.Grid}, block {config.Block}, "
                    + $"{config.SharedBytes} bytes of shared memory");
            }

            stream.LaunchObserver?.Invoke(kernel, config);
        }
    }
}
