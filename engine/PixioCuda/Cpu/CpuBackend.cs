using PixioCuda.Graph;
using PixioCuda.Imaging;
using PixioCuda.Weights;

namespace PixioCuda.Cpu;

/// <summary>Runs encoder graphs on the CPU. One run at a time has the threads and the arena; concurrent callers wait for each other,
/// which serves all of them sooner than sharing the cores would, and keeps the memory at that of one run.</summary>
internal sealed unsafe class CpuBackend : IEncoderBackend
{
    private readonly CpuTarget _target;
    private readonly WorkerPool _pool;
    private readonly CpuWeights _weights;
    private readonly float[] _byteValues;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private AlignedBuffer? _arena;
    private bool _isDisposed;

    private CpuBackend(CpuTarget target, WorkerPool pool, CpuWeights weights, PixelScale scale)
    {
        _target = target;
        _pool = pool;
        _weights = weights;
        _byteValues = scale.ToTable();
    }

    public string Description => _weights.HoldsHalfPrecision ? $"cpu ({_target}, weights in half precision)" : $"cpu ({_target})";

    /// <summary>The threads that share the work, the calling one included.</summary>
    public int ThreadCount => _target.ThreadCount;

    public long WeightByteCount => _weights.ByteCount;

    /// <summary>Loads a model's weights onto the CPU.</summary>
    public static CpuBackend Load(
        EncoderWeights weights, PixioConfig config, PixelScale scale, DType weightsInMemory, CpuTarget target, IProgress<LoadProgress>? progress,
        CancellationToken cancellationToken)
    {
        WorkerPool pool = new(target.ThreadCount);
        try
        {
            return new CpuBackend(
                target, pool, CpuWeights.Load(weights, config, weightsInMemory, target, pool, progress, cancellationToken), scale);
        }
        catch
        {
            pool.Dispose();
            throw;
        }
    }

    public EncoderGraph Lower(EncoderGraph graph) => graph;

    public IMemoryModel MemoryModelFor(EncoderGraph graph) => new CpuMemoryModel(graph, _target);

    public IEncoderExecutable Compile(EncoderGraph graph, MemoryPlan plan) =>
        new CpuExecutable(this, plan.ArenaByteCount, CpuCompiler.Compile(graph, plan, _weights, _target, _byteValues), graph);

    /// <summary>Waits for the run in flight, then frees everything.</summary>
    public void Dispose()
    {
        _gate.Wait();
        try
        {
            if (_isDisposed)
                return;
            _isDisposed = true;
            _pool.Dispose();
            _weights.Dispose();
            _arena?.Dispose();
        }
        finally
        {
            // Released, not disposed of: callers that wait are to find out that the model is gone.
            _gate.Release();
        }
    }

    private void Run(CpuExecutable executable, EncoderInput input, Span<float> outputs, CancellationToken cancellationToken)
    {
        _gate.Wait(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(PixioModel));
            if (_arena is null || _arena.ByteCount < executable.ArenaByteCount)
            {
                _arena?.Dispose();
                _arena = null;
                _arena = new AlignedBuffer(executable.ArenaByteCount);
            }

            fixed (float* values = input.Values, output = outputs)
            fixed (byte* bytes = input.Bytes)
            {
                CpuMemory memory = new(_arena.Bytes, input.Format == PixelFormat.U8 ? bytes : values, output);
                foreach (CpuStep step in executable.Steps)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    step.Run(_pool, memory);
                }
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private sealed class CpuExecutable(CpuBackend backend, long arenaByteCount, CpuStep[] steps, EncoderGraph graph) : IEncoderExecutable
    {
        public long ArenaByteCount { get; } = arenaByteCount;

        public CpuStep[] Steps { get; } = steps;

        public void Run(EncoderInput input, Span<float> outputs, CancellationToken cancellationToken) =>
            backend.Run(this, input, outputs, cancellationToken);

        public void Warmup(bool onDevice, CancellationToken cancellationToken)
        {
            EncoderInput zeros = graph.Shape.Pixels == PixelFormat.U8 ? new byte[graph.Input.ElementCount] : new float[graph.Input.ElementCount];
            backend.Run(this, zeros, new float[graph.OutputLength], cancellationToken);
        }
    }
}
