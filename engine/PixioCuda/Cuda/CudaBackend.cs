using System.Diagnostics;
using System.Globalization;
using PixioCuda.Graph;
using PixioCuda.Imaging;
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
    private readonly CublasLtProducts? _products;
    private readonly Precision _precision;
    private readonly bool _fast;
    private readonly LayerNormFolding? _folding;
    private readonly Stack<CudaSession> _free = new();
    private readonly SemaphoreSlim _places;
    private readonly int _sessionCount;
    private readonly Lock _allPlaces = new();
    private bool _isDisposed;

    private CudaBackend(
        GpuDevice device, CudaWeights weights, CublasLtProducts? products, Precision precision, bool fast, LayerNormFolding? folding,
        int sessionCount)
    {
        _device = device;
        _weights = weights;
        _products = products;
        _precision = precision;
        _fast = fast && products is null && precision.Element() != ElementType.F32 && device.Info.ComputeCapability == new ComputeCapability(9, 0);
        _folding = folding;
        _sessionCount = sessionCount;
        _places = new SemaphoreSlim(sessionCount, sessionCount);
    }

    public string Description => string.Create(CultureInfo.InvariantCulture,
        $"{_device.Info.Title}, {_precision.Name()}{(_products is null ? "" : ", products by cuBLASLt")}{(_fast ? ", fast small batches" : "")}");

    /// <summary>The device.</summary>
    public GpuDeviceInfo Device => _device.Info;

    /// <summary>What the choice of kernels keeps to.</summary>
    public DeviceLimits Limits => DeviceLimits.Of(_device);

    /// <summary>Whether bits may depend on the batch.</summary>
    public bool IsFast => _fast;

    public long WeightByteCount => _weights.ByteCount;

    /// <summary>What bringing the weights to the device took: reading, pinning, copying and converting.</summary>
    public TimeSpan WeightTime { get; private init; }

    /// <summary>Opens a device and streams a model's weights to it.</summary>
    /// <param name="deviceId">"cuda", "cuda:1", or "GPU-" and a UUID.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="config">The encoder.</param>
    /// <param name="scale">What is done to the values of pixels that come as bytes.</param>
    /// <param name="precision">What to compute in.</param>
    /// <param name="gemm">What multiplies matrices.</param>
    /// <param name="fast">Whether bits may depend on the batch, where that is faster.</param>
    /// <param name="sessionCount">Runs at a time; later callers wait.</param>
    /// <param name="ringByteCount">Host memory that streaming may take.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Stops the loading; everything taken is freed.</param>
    public static CudaBackend Load(
        string deviceId, EncoderWeights weights, PixioConfig config, PixelScale scale, PixioPrecision precision, GemmProvider gemm,
        bool fast, int sessionCount, long ringByteCount, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
        => CudaFailure.Translate(() =>
        {
            GpuDevice device = GpuDevice.Open(deviceId);
            CublasLtProducts? products = null;
            try
            {
                // Before gigabytes are read: it may not be there.
                products = gemm == GemmProvider.CublasLt ? new CublasLtProducts(device) : null;
                long start = Stopwatch.GetTimestamp();
                LayerNormFolding? folding = LayerNormFolding.Of(config, KernelPrecision(precision), gemm, DeviceLimits.Of(device.Info));
                CudaWeights loaded = CudaWeights.Load(
                    weights, config, scale, device, KernelPrecision(precision), folding, ringByteCount, progress, cancellationToken);
                return new CudaBackend(device, loaded, products, KernelPrecision(precision), fast, folding, sessionCount)
                {
                    WeightTime = Stopwatch.GetElapsedTime(start),
                };
            }
            catch
            {
                products?.Dispose();
                device.Dispose();
                throw;
            }
        });

    public EncoderGraph Lower(EncoderGraph graph) => _folding?.Fold(graph) ?? graph;

    public IMemoryModel MemoryModelFor(EncoderGraph graph)
        => new CudaMemoryModel(graph, _precision, _products is null ? GemmProvider.Native : GemmProvider.CublasLt);

    public IEncoderExecutable Compile(EncoderGraph graph, MemoryPlan plan)
        => CudaFailure.Translate(() => new CudaCompiler(_device, _weights, _products, _precision, _fast, graph, plan).Compile(this));

    /// <summary>Runs an executable in a session of its own, and waits for its outputs.</summary>
    public void Run(CudaExecutable executable, EncoderInput input, Span<float> outputs, CancellationToken cancellationToken)
        => Run(executable, input, outputs, deviceOutputs: null, cancellationToken);

    /// <summary>Puts a run on a session's stream and leaves its outputs on the device.</summary>
    public void Run(CudaExecutable executable, EncoderInput input, DeviceOutputs outputs, CancellationToken cancellationToken)
        => Run(executable, input, default, outputs, cancellationToken);

    private void Run(
        CudaExecutable executable, EncoderInput input, Span<float> outputs, DeviceOutputs? deviceOutputs, CancellationToken cancellationToken)
    {
        _places.Wait(cancellationToken);
        CudaSession? session = null;
        try
        {
            session = Take();
            cancellationToken.ThrowIfCancellationRequested();
            if (deviceOutputs is null)
                session.Run(executable, input, outputs);
            else
                session.Run(executable, input, deviceOutputs);
        }
        catch (CudaException exception)
        {
            if (exception.Result == CUresult.CUDA_ERROR_OUT_OF_MEMORY)
                session?.ReleaseMemory();
            throw CudaFailure.Of(exception, _device, executable);
        }
        catch (CublasLtException exception)
        {
            throw new PixioException(exception.Message, exception);
        }
        finally
        {
            if (session is not null)
                GiveBack(session);
            _places.Release();
        }
    }

    /// <summary>Does in every session what the first run of an executable does; waits for the runs in flight.</summary>
    public void Warmup(CudaExecutable executable, bool onDevice, CancellationToken cancellationToken)
    {
        using Lock.Scope all = TakeAllPlaces(cancellationToken);
        List<CudaSession> sessions = [];
        try
        {
            for (int i = 0; i < _sessionCount; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                sessions.Add(Take());
                sessions[i].Warmup(executable, onDevice);
            }
        }
        catch (CudaException exception)
        {
            if (exception.Result == CUresult.CUDA_ERROR_OUT_OF_MEMORY)
                sessions.ForEach(session => session.ReleaseMemory());
            throw CudaFailure.Of(exception, _device, executable);
        }
        catch (CublasLtException exception)
        {
            throw new PixioException(exception.Message, exception);
        }
        finally
        {
            sessions.ForEach(GiveBack);
            _places.Release(_sessionCount);
        }
    }

    /// <summary>Makes device memory for the outputs of a plan.</summary>
    public DeviceOutputs CreateOutputs(EncoderPlan plan)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(PixioModel));
        DeviceOrder order = new(_device);
        List<DeviceTensor<float>> tensors = [];
        try
        {
            foreach (EncoderOutputInfo output in plan.Outputs)
            {
                DeviceMemory<float> memory = _device.Allocate<float>(output.Length);
                tensors.Add(new DeviceTensor<float>(_device, order, ownsOrder: false, memory.Pointer.As<byte>(), memory, output.Shape));
            }

            return new DeviceOutputs(plan, order, [.. tensors]);
        }
        catch
        {
            tensors.ForEach(tensor => tensor.Dispose());
            order.Dispose();
            throw;
        }
    }

    /// <summary>Makes a tensor of the device's memory.</summary>
    public DeviceTensor<T> CreateTensor<T>(IReadOnlyList<int> shape, long length)
        where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(PixioModel));
        DeviceOrder order = new(_device);
        try
        {
            DeviceMemory<T> memory = _device.Allocate<T>(length);
            return new DeviceTensor<T>(_device, order, ownsOrder: true, memory.Pointer.As<byte>(), memory, shape);
        }
        catch
        {
            order.Dispose();
            throw;
        }
    }

    /// <summary>Makes what brings pictures into batches in the device's memory.</summary>
    /// <param name="scale">What is done to the values of pixels.</param>
    /// <param name="byteLimit">The device memory that one picture may take meanwhile.</param>
    public CudaPreprocessor CreatePreprocessor(PixelScale scale, long byteLimit)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(PixioModel));
        return new CudaPreprocessor(this, _device, scale, byteLimit);
    }

    /// <summary>What is free of the device's memory, in bytes.</summary>
    public long FreeByteCount
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(PixioModel));
            return _device.MemoryInfo.Free;
        }
    }

    /// <summary>Looks at the host's own device memory as a tensor.</summary>
    public DeviceTensor<T> BorrowTensor<T>(nint address, IReadOnlyList<int> shape)
        where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(PixioModel));
        return new DeviceTensor<T>(
            _device, new DeviceOrder(_device), ownsOrder: true, new DevicePointer<byte>(unchecked((ulong)address)), owned: null, shape);
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
        catch (CublasLtException exception)
        {
            throw new PixioException(exception.Message, exception);
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>Waits for the runs in flight, then frees everything.</summary>
    public void Dispose()
    {
        using Lock.Scope all = TakeAllPlaces(CancellationToken.None);
        try
        {
            if (_isDisposed)
                return;
            _isDisposed = true;
            foreach (CudaSession session in _free)
                session.Dispose();
            _weights.Dispose();
            _products?.Dispose();
            _device.Dispose();
        }
        finally
        {
            // Released, not disposed of: callers that wait are to find out that the model is gone.
            _places.Release(_sessionCount);
        }
    }

    /// <summary>Waits until no run has a place. One caller at a time: two that each held some would wait for each other for ever.</summary>
    private Lock.Scope TakeAllPlaces(CancellationToken cancellationToken)
    {
        Lock.Scope scope = _allPlaces.EnterScope();
        int taken = 0;
        try
        {
            for (; taken < _sessionCount; taken++)
                _places.Wait(cancellationToken);
            return scope;
        }
        catch
        {
            if (taken > 0)
                _places.Release(taken);
            scope.Dispose();
            throw;
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
