using PixioCuda.Interop;

namespace PixioCuda.Cuda;

/// <summary>Keeps runs and a host's own work on the same device memory in order, by events: nobody waits but the device.</summary>
internal sealed class DeviceOrder : IDisposable
{
    // Behind the last run, and behind the host's last work that was told of. An event that was never recorded holds nobody up.
    private readonly GpuEvent _run;
    private readonly GpuEvent _host;

    public DeviceOrder(GpuDevice device)
    {
        _run = device.CreateEvent();
        try
        {
            _host = device.CreateEvent();
        }
        catch
        {
            _run.Dispose();
            throw;
        }
    }

    /// <summary>Puts a run's stream behind everything that uses the memory.</summary>
    public void Enter(GpuStream stream)
    {
        stream.Wait(_run);
        stream.Wait(_host);
    }

    /// <summary>What uses the memory next comes behind the stream's work so far.</summary>
    public void Leave(GpuStream stream) => stream.Record(_run);

    /// <summary>Puts a stream of the host's behind the last run.</summary>
    public void MakeStreamWait(nint stream) => _run.MakeWait(stream);

    /// <summary>What uses the memory next comes behind the work so far of a stream of the host's.</summary>
    public void WaitForStream(nint stream) => _host.Record(stream);

    /// <summary>Waits for everything that uses the memory.</summary>
    public void Synchronize()
    {
        _run.Synchronize();
        _host.Synchronize();
    }

    /// <summary>As <see cref="Synchronize"/>, for who is about to let go of the memory: that the work failed, or that the device is gone
    /// with all its work, is no reason to keep it.</summary>
    public void Drain()
    {
        try
        {
            Synchronize();
        }
        catch (Exception exception) when (exception is CudaException or ObjectDisposedException)
        {
            // Who waits for the results is told; here nobody does.
        }
    }

    public void Dispose()
    {
        _run.Dispose();
        _host.Dispose();
    }
}
