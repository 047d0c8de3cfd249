namespace PixioCuda.Interop;

/// <summary>What the driver says of a loaded kernel.</summary>
/// <param name="Registers">Registers of each thread.</param>
/// <param name="LocalBytes">Local memory of each thread (stack and spills), in bytes.</param>
/// <param name="StaticSharedBytes">Shared memory of a block beside the dynamic one, in bytes.</param>
/// <param name="MaxThreads">The most threads that a block of it can have.</param>
internal readonly record struct KernelAttributes(int Registers, int LocalBytes, int StaticSharedBytes, int MaxThreads);

/// <summary>A kernel in a device's memory. It belongs to its <see cref="GpuDevice"/> and lives as long.</summary>
internal sealed class LoadedKernel : IDisposable
{
    // What a launch may ask for without saying so beforehand.
    private const int DefaultSharedBytes = 48 << 10;

    private readonly ModuleHandle _module;
    private readonly Lock _lock = new();
    private int _allowedDynamicBytes, _allowedLargeClusters;

    internal LoadedKernel(KernelSource source, CompiledKernel compiled, ModuleHandle module, nint function, KernelAttributes attributes)
    {
        Source = source;
        Compiled = compiled;
        _module = module;
        Function = function;
        Attributes = attributes;
        _allowedDynamicBytes = Math.Max(0, DefaultSharedBytes - attributes.StaticSharedBytes);
    }

    public KernelSource Source { get; }

    /// <summary>The machine code that was loaded, and the compiler's log.</summary>
    public CompiledKernel Compiled { get; }

    public KernelAttributes Attributes { get; }

    internal nint Function { get; }

    internal ModuleHandle Module => _module;

    public void Dispose() => _module.Dispose();

    /// <summary>Asks the driver once for what a launch may not have unasked: more than 48 KB of shared memory, clusters of more than
    /// <see cref="LaunchRules.PortableBlocksOfCluster"/> blocks. The context is current.</summary>
    internal void Allow(GpuContext context, in LaunchConfig config)
    {
        if (config.SharedBytes > Volatile.Read(ref _allowedDynamicBytes))
        {
            Allow(
                context, CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, config.SharedBytes, ref _allowedDynamicBytes,
                $"{config.SharedBytes} bytes of shared memory");
        }

        if (config.Cluster is Dim3 { Count: > LaunchRules.PortableBlocksOfCluster } && Volatile.Read(ref _allowedLargeClusters) == 0)
        {
            Allow(
                context, CUfunction_attribute.CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1, ref _allowedLargeClusters,
                $"clusters of more than {LaunchRules.PortableBlocksOfCluster} blocks");
        }
    }

    private void Allow(GpuContext context, CUfunction_attribute attribute, int value, ref int allowed, string what)
    {
        lock (_lock)
        {
            if (value <= allowed)
                return;
            CUresult result = CudaDriverApi.cuFuncSetAttribute(Function, attribute, value);
            if (result != CUresult.CUDA_SUCCESS)
                throw context.Failure(result, nameof(CudaDriverApi.cuFuncSetAttribute), $"Asking for {what} for the kernel {Source.Title}");
            Volatile.Write(ref allowed, value);
        }
    }
}
