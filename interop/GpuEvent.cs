namespace PixioCuda.Interop;

/// <summary>A point in a stream's work that the host and other streams can wait for.</summary>
internal sealed class GpuEvent : IDisposable
{
    private readonly GpuContext _context;

    internal GpuEvent(GpuContext context, bool timing)
    {
        const uint DisableTiming = 2;
        _context = context;
        IsTimed = timing;
        context.MakeCurrent();
        var handle = new EventHandle(context.Handle);
        CUresult result = CudaDriverApi.cuEventCreate(out nint value, timing ? 0 : DisableTiming);
        Handle = context.Adopt(handle, result, value, nameof(CudaDriverApi.cuEventCreate), "Making an event");
    }

    /// <summary>Whether it takes the time.</summary>
    public bool IsTimed { get; }

    /// <summary>Whether all work in front of its last record has ended.</summary>
    /// <exception cref="CudaException">That work failed.</exception>
    public bool IsComplete
    {
        get
        {
            _context.MakeCurrent();
            using var lease = new HandleLease(Handle);
            CUresult result = CudaDriverApi.cuEventQuery(lease.Value);
            if (result == CUresult.CUDA_ERROR_NOT_READY)
                return false;
            _context.Check(result, nameof(CudaDriverApi.cuEventQuery));
            return true;
        }
    }

    internal EventHandle Handle { get; }

    /// <summary>Waits until all work in front of its last record has ended.</summary>
    /// <exception cref="CudaException">That work failed.</exception>
    public void Synchronize()
    {
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        _context.Check(CudaDriverApi.cuEventSynchronize(lease.Value), nameof(CudaDriverApi.cuEventSynchronize));
    }

    /// <summary>The device's time between another event and this one, both passed and both timed.</summary>
    /// <returns>Milliseconds, to about half a microsecond.</returns>
    public float ElapsedMilliseconds(GpuEvent since)
    {
        ArgumentNullException.ThrowIfNull(since);
        if (!IsTimed || !since.IsTimed)
            throw new InvalidOperationException("The time between two events is known only if both were made with timing.");
        _context.MakeCurrent();
        using var start = new HandleLease(since.Handle);
        using var end = new HandleLease(Handle);
        CUresult result = CudaDriverApi.cuEventElapsedTime(out float milliseconds, start.Value, end.Value);
        _context.Check(result, nameof(CudaDriverApi.cuEventElapsedTime));
        return milliseconds;
    }

    /// <summary>Lets it pass when the work so far of a stream has ended that belongs to other code.</summary>
    /// <param name="stream">A CUstream of the same context; 0 for the default stream.</param>
    public void Record(nint stream)
    {
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        _context.Check(CudaDriverApi.cuEventRecord(lease.Value, stream), nameof(CudaDriverApi.cuEventRecord));
    }

    /// <summary>Keeps later work of a stream that belongs to other code back until this one's last record has passed.</summary>
    /// <param name="stream">A CUstream of the same context; 0 for the default stream.</param>
    public void MakeWait(nint stream)
    {
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        _context.Check(CudaDriverApi.cuStreamWaitEvent(stream, lease.Value, 0), nameof(CudaDriverApi.cuStreamWaitEvent));
    }

    public void Dispose() => Handle.Dispose();
}
