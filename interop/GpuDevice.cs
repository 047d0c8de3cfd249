namespace PixioCuda.Interop;

/// <summary>
/// A CUDA device in use: its primary context, which it shares with other CUDA code in the process. Everything is made here and keeps the
/// context alive by itself. All members may be called by several threads at a time; each makes the context current first.
/// After an error that ends the context (an illegal address, a failed launch), every later call fails and names that first error.
/// </summary>
internal sealed partial class GpuDevice : IDisposable
{
    private readonly GpuContext _context;
    private readonly KernelLoader _kernels;
    private readonly StagingBuffer _staging;

    private GpuDevice(GpuDeviceInfo info, KernelCache cache)
    {
        Info = info;
        _context = new GpuContext(GpuDevices.Handle(info.Ordinal), info.Title);
        _canBeginEarly = LaunchRules.CanBeginEarly(info.ComputeCapability, CudaLibraries.Driver.Version);
        _kernels = new KernelLoader(_context, info, cache);
        _staging = new StagingBuffer(_context);
    }

    /// <summary>What is fixed about the device.</summary>
    public GpuDeviceInfo Info { get; }

    /// <summary>Its memory, free and in total, in bytes.</summary>
    public GpuMemoryInfo MemoryInfo
    {
        get
        {
            _context.MakeCurrent();
            _context.Check(CudaDriverApi.cuMemGetInfo_v2(out nuint free, out nuint total), nameof(CudaDriverApi.cuMemGetInfo_v2));
            return new GpuMemoryInfo(checked((long)free), checked((long)total));
        }
    }

    /// <summary>The error that ended the device's context, or null while it lives.</summary>
    public CudaException? FirstError => _context.FirstError;

    internal GpuContext Context => _context;

    /// <summary>The devices that the driver shows to this process.</summary>
    /// <exception cref="CudaLibraryException">There is no driver.</exception>
    /// <exception cref="CudaException">The driver does not start.</exception>
    public static IReadOnlyList<GpuDeviceInfo> List() => GpuDevices.List();

    /// <summary>Opens a device by its number.</summary>
    /// <param name="ordinal">Its number among those that the driver shows.</param>
    /// <param name="cache">Where compiled kernels are kept; null for the environment's cache.</param>
    /// <exception cref="ArgumentException">There is no such device.</exception>
    /// <exception cref="CudaLibraryException">There is no driver.</exception>
    /// <exception cref="CudaException">The driver or the device does not start.</exception>
    public static GpuDevice Open(int ordinal = 0, KernelCache? cache = null) => new(GpuDevices.Find(ordinal), cache ?? KernelCache.Default);

    /// <summary>Opens a device by its name.</summary>
    /// <param name="id">"cuda" for the first one, "cuda:1", or "GPU-" and its UUID.</param>
    /// <param name="cache">Where compiled kernels are kept; null for the environment's cache.</param>
    /// <inheritdoc cref="Open(int, KernelCache?)" path="/exception"/>
    public static GpuDevice Open(string id, KernelCache? cache = null) => new(GpuDevices.Find(id), cache ?? KernelCache.Default);

    /// <summary>Makes a stream that waits for no other by itself.</summary>
    public GpuStream CreateStream() => new(_context);

    /// <summary>Makes an event.</summary>
    /// <param name="timing">Whether it takes the time, which costs a little.</param>
    public GpuEvent CreateEvent(bool timing = false) => new(_context, timing);

    /// <summary>Lets go of the kernels and of the context; what else was made on the device keeps the context until it is disposed
    /// too.</summary>
    public void Dispose()
    {
        _kernels.Dispose();
        _staging.Dispose();
        _context.Dispose();
    }
}
