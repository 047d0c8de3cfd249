namespace PixioCuda.Interop;

/// <summary>A queue of work for a device: in order within one stream, in any order between streams, unless events say otherwise.</summary>
internal sealed class GpuStream : IDisposable
{
    private readonly GpuContext _context;

    internal GpuStream(GpuContext context)
    {
        // Without this flag the stream would wait for whatever other code in the process puts on the default stream.
        const uint NonBlocking = 1;
        _context = context;
        context.MakeCurrent();
        var handle = new StreamHandle(context.Handle);
        CUresult result = CudaDriverApi.cuStreamCreate(out nint value, NonBlocking);
        Handle = context.Adopt(handle, result, value, nameof(CudaDriverApi.cuStreamCreate), "Making a stream");
    }

    /// <summary>Whether all its work has ended.</summary>
    /// <exception cref="CudaException">Its work failed.</exception>
    public bool IsIdle
    {
        get
        {
            _context.MakeCurrent();
            using var lease = new HandleLease(Handle);
            CUresult result = CudaDriverApi.cuStreamQuery(lease.Value);
            if (result == CUresult.CUDA_ERROR_NOT_READY)
                return false;
            _context.Check(result, nameof(CudaDriverApi.cuStreamQuery));
            return true;
        }
    }

    /// <summary>Told of every kernel that is put on this stream from now on, by the thread that does it; null for nobody.</summary>
    public Action<LoadedKernel, LaunchConfig>? LaunchObserver { get; set; }

    internal StreamHandle Handle { get; }

    /// <summary>Waits until all its work has ended.</summary>
    /// <exception cref="CudaException">Its work failed.</exception>
    public void Synchronize()
    {
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        _context.Check(CudaDriverApi.cuStreamSynchronize(lease.Value), nameof(CudaDriverApi.cuStreamSynchronize));
    }

    /// <summary>Lets an event pass when the work so far has ended.</summary>
    public void Record(GpuEvent @event)
    {
        ArgumentNullException.ThrowIfNull(@event);
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        using var eventLease = new HandleLease(@event.Handle);
        _context.Check(CudaDriverApi.cuEventRecord(eventLease.Value, lease.Value), nameof(CudaDriverApi.cuEventRecord));
    }

    /// <summary>Keeps later work back until an event's last record has passed. The host does not wait.</summary>
    public void Wait(GpuEvent @event)
    {
        ArgumentNullException.ThrowIfNull(@event);
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        using var eventLease = new HandleLease(@event.Handle);
        _context.Check(CudaDriverApi.cuStreamWaitEvent(lease.Value, eventLease.Value, 0), nameof(CudaDriverApi.cuStreamWaitEvent));
    }

    /// <summary>Records work instead of doing it.</summary>
    /// <param name="work">Puts work on this stream; it may neither wait for the device nor allocate its memory.</param>
    /// <returns>The work as a graph.</returns>
    /// <exception cref="CudaException">The work cannot be recorded.</exception>
    public GpuGraph Capture(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        _context.MakeCurrent();
        using var lease = new HandleLease(Handle);
        // Only this thread's calls are held to the rules of a capture: others go on loading and allocating.
        _context.Check(
            CudaDriverApi.cuStreamBeginCapture_v2(lease.Value, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
            nameof(CudaDriverApi.cuStreamBeginCapture_v2));
        GraphHandle? handle = null;
        try
        {
            handle = new GraphHandle(_context.Handle);
            work();
        }
        catch
        {
            // The stream must leave the capture whatever happened; what was recorded so far is let go.
            if (CudaDriverApi.cuStreamEndCapture(lease.Value, out nint abandoned) == CUresult.CUDA_SUCCESS && abandoned != 0)
                handle?.Adopt(abandoned);
            handle?.Dispose();
            throw;
        }

        CUresult result = CudaDriverApi.cuStreamEndCapture(lease.Value, out nint graph);
        return new GpuGraph(
            _context, _context.Adopt(handle, result, graph, nameof(CudaDriverApi.cuStreamEndCapture), "Recording the work of a stream"));
    }

    public void Dispose() => Handle.Dispose();
}
