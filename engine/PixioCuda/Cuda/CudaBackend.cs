using System.Globalization;
using PixioCuda.Graph;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Weights;

namespace PixioCuda.Cuda;

/// <summary>Runs encoder graphs on a CUDA device: one graph launch for a run. Each run has a session of its own (a stream, an arena), taken
/// from those that are free; weights are shared.</summary>
internal sealed class CudaBackend : IEncoderBackend
{
    private readonly GpuDevice _device;
    private readonly CudaWeights _weights;
    private readonly Precision _precision;
    private readonly Stack<CudaSession> _free = new();
    private readonly SemaphoreSlim _places;
    private readonly int _sessionCount;
    private readonly Lock _disposing = new();
    private bool _isDisposed;

    private CudaBackend(GpuDevice device, CudaWeights weights, Precision precision, int sessionCount)
    {
        _device = device;
        _weights = weights;
        _precision = precision;
        _sessionCount = sessionCount;
        _places = new SemaphoreSlim(sessionCount, sessionCount);
    }

    public string Description => string.Create(CultureInfo.InvariantCulture, $"{_device.Info.Title}, {_precision.Name()}");

    /// <summary>The device.</summary>
    public GpuDeviceInfo Device => _device.Info;

    public long WeightByteCount => _weights.ByteCount;

    /// <summary>Opens a device and streams a model's weights to it.</summary>
    /// <param name="deviceId">"cuda", "cuda:1", or "GPU-" and a UUID.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="config">The encoder.</param>
    /// <param name="precision">What to compute in.</param>
    /// <param name="sessionCount">Runs at a time; later callers wait.</param>
    /// <param name="ringByteCount">Host memory that streaming may take.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Stops the loading; everything taken is freed.</param>
    public static CudaBackend Load(
        string deviceId, EncoderWeights weights, PixioConfig config, PixioPrecision precision, int sessionCount, long ringByteCount,
        IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
        => CudaFailure.Translate(() =>
        {
            GpuDevice device = GpuDevice.Open(deviceId);
            try
            {
                CudaWeights loaded = CudaWeights.Load(weights, config, device, KernelPrecision(precision), ringByteCount, progress, cancellationToken);
                return new CudaBackend(device, loaded, KernelPrecision(precision), sessionCount);
            }
            catch
            {
                device.Dispose();
                throw;
            }
        });

    public IMemoryModel MemoryModelFor(EncoderGraph graph) => new CudaMemoryModel(graph, _precision);

    public IEncoderExecutable Compile(EncoderGraph graph, MemoryPlan plan)
        => CudaFailure.Translate(() => new CudaCompiler(_device, _weights, _precision, graph, plan).Compile(this));

    /// <summary>Runs an executable in a session of its own.</summary>
    public void Run(CudaExecutable executable, ReadOnlySpan<float> pixels, Span<float> outputs, CancellationToken cancellationToken)
    {
        _places.Wait(cancellationToken);
        try
        {
            CudaSession session = Take();
            try
            {
                cancellationToken.ThrowIfCancellationRequested();
                session.Run(executable, pixels, outputs);
            }
            catch (CudaException exception)
            {
                throw CudaFailure.Of(exception, _device, executable);
            }
            finally
            {
                GiveBack(session);
            }
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>What a run of an executable launches; nothing runs.</summary>
    public IReadOnlyList<CudaLaunch> DescribeLaunches(CudaExecutable executable)
        => WithProfiler(executable, profiler => profiler.Launches, CancellationToken.None);

    /// <summary>Measures what a run of an executable launches.</summary>
    public CudaProfile Profile(CudaExecutable executable, float[] pixels, int runs, CancellationToken cancellationToken)
        => WithProfiler(executable, profiler => profiler.Measure(pixels, runs, cancellationToken), cancellationToken);

    private T WithProfiler<T>(CudaExecutable executable, Func<CudaProfiler, T> use, CancellationToken cancellationToken)
    {
        _places.Wait(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(PixioModel));
            using CudaProfiler profiler = new(_device, executable);
            return use(profiler);
        }
        catch (CudaException exception)
        {
            throw CudaFailure.Of(exception, _device, executable);
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>Waits for the runs in flight, then frees everything.</summary>
    public void Dispose()
    {
        // One at a time: two that each held some of the places would wait for each other for ever.
        using Lock.Scope disposing = _disposing.EnterScope();
        for (int i = 0; i < _sessionCount; i++)
            _places.Wait();
        try
        {
            if (_isDisposed)
                return;
            _isDisposed = true;
            foreach (CudaSession session in _free)
                session.Dispose();
            _weights.Dispose();
            _device.Dispose();
        }
        finally
        {
            // Released, not disposed of: callers that wait are to find out that the model is gone.
            _places.Release(_sessionCount);
        }
    }

    private static Precision KernelPrecision(PixioPrecision precision) => precision switch
    {
        PixioPrecision.FP32 => Kernels.Precision.F32,
        PixioPrecision.FP16 => Kernels.Precision.F16,
        _ => Kernels.Precision.BF16,
    };

    private CudaSession Take()
    {
        lock (_free)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(PixioModel));
            if (_free.TryPop(out CudaSession? session))
                return session;
        }

        return new CudaSession(_device);
    }

    private void GiveBack(CudaSession session)
    {
        lock (_free)
            _free.Push(session);
    }
}
