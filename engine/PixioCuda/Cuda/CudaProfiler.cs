using PixioCuda.Interop;

namespace PixioCuda.Cuda;

/// <summary>Looks at an executable launch by launch, on a stream and in memory of its own.</summary>
internal sealed class CudaProfiler : IDisposable
{
    private readonly GpuDevice _device;
    private readonly CudaExecutable _executable;
    private readonly GpuStream _stream;
    private readonly DeviceMemory<byte> _arena = null!;
    private readonly DeviceMemory<byte> _pixels = null!;
    private readonly GpuGraphExec _graph = null!;

    /// <summary>Records the launches; nothing runs.</summary>
    public CudaProfiler(GpuDevice device, CudaExecutable executable)
    {
        _device = device;
        _executable = executable;
        _stream = device.CreateStream();
        try
        {
            _arena = device.Allocate<byte>(executable.ArenaByteCount);
            _pixels = device.Allocate<byte>(executable.InputByteCount);
            (Launches, _graph) = Record();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>In the order of a run.</summary>
    public IReadOnlyList<CudaLaunch> Launches { get; } = null!;

    private CudaMemory Memory => new(_pixels.Pointer, _arena.Pointer);

    /// <summary>Measures every launch.</summary>
    /// <param name="pixels">pixel_values, of an executable that takes float32.</param>
    /// <param name="runs">How often, behind one run that is not counted.</param>
    /// <param name="cancellationToken">Looked at between the runs.</param>
    public CudaProfile Measure(float[] pixels, int runs, CancellationToken cancellationToken)
    {
        _device.Upload(_pixels.Pointer.As<float>(), pixels.AsSpan());
        double[][] times = [.. Launches.Select(_ => new double[runs])];
        double[] graphTimes = new double[runs];
        List<GpuEvent> events = [];
        try
        {
            for (int i = 0; i <= Launches.Count; i++)
                events.Add(_device.CreateEvent(timing: true));
            for (int run = -1; run < runs; run++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                RunOneByOne(events);
                for (int i = 0; run >= 0 && i < times.Length; i++)
                    times[i][run] = 1e-3 * events[i + 1].ElapsedMilliseconds(events[i]);
                _stream.Record(events[0]);
                _graph.Launch(_stream);
                _stream.Record(events[1]);
                _stream.Synchronize();
                if (run >= 0)
                    graphTimes[run] = 1e-3 * events[1].ElapsedMilliseconds(events[0]);
            }
        }
        finally
        {
            foreach (GpuEvent @event in events)
                @event.Dispose();
        }

        return new CudaProfile(Launches, [.. times.Select(Median)], Median(graphTimes), runs);
    }

    public void Dispose()
    {
        _graph?.Dispose();
        _pixels?.Dispose();
        _arena?.Dispose();
        _stream.Dispose();
    }

    private void RunOneByOne(List<GpuEvent> events)
    {
        _stream.Record(events[0]);
        for (int i = 0; i < _executable.Steps.Count; i++)
        {
            _executable.Steps[i].Launch(_stream, Memory);
            _stream.Record(events[i + 1]);
        }

        _stream.Synchronize();
    }

    /// <summary>Captures all steps, and writes down what each launches.</summary>
    private (IReadOnlyList<CudaLaunch> Launches, GpuGraphExec Graph) Record()
    {
        List<CudaLaunch> launches = [];
        using GpuGraph graph = _stream.Capture(() =>
        {
            foreach (CudaStep step in _executable.Steps)
            {
                int before = launches.Count;
                _stream.LaunchObserver = (kernel, config) => launches.Add(new CudaLaunch(
                    step.Name, step.Kernel, config.Grid, config.Block, config.SharedBytes, kernel.Attributes.Registers, step.Work,
                    step.UsesTensorCores, step.Product));
                step.Launch(_stream, Memory);
                if (step.IsLibraryCall)
                    launches.Add(new CudaLaunch(step.Name, step.Kernel, default, default, 0, 0, step.Work, step.UsesTensorCores));
                if (launches.Count != before + 1)
                    throw new InvalidOperationException($"The step {step.Name} is {launches.Count - before} launches; each has to be one.");
            }
        });
        _stream.LaunchObserver = null;
        return (launches, graph.Instantiate());
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
