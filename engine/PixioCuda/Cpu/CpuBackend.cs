using PixioCuda.Graph;
using PixioCuda.Weights;

namespace PixioCuda.Cpu;

/// <summary>Runs encoder graphs on the CPU. One run at a time has the threads and the arena; concurrent callers wait for each other,
/// which serves all of them sooner than sharing the cores would, and keeps the memory at that of one run.</summary>
internal sealed unsafe class CpuBackend : IEncoderBackend
{
    private readonly CpuTarget _target;
    private readonly WorkerPool _pool;
    private readonly CpuWeights _weights;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private AlignedBuffer? _arena;
    private bool _isDisposed;

    private CpuBackend(CpuTarget target, WorkerPool pool, CpuWeights weights)
    {
        _target = target;
        _pool = pool;
        _weights = weights;
    }

    public string Description => $"cpu ({_target})";

    /// <summary>The threads that share the work, the calling one included.</summary>
    public int ThreadCount => _target.ThreadCount;

    public long WeightByteCount => _weights.ByteCount;

    /// <summary>Loads a model's weights onto the CPU.</summary>
    public static CpuBackend Load(
        EncoderWeights weights, PixioConfig config, CpuTarget target, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        WorkerPool pool = new(target.ThreadCount);
        try
        {
            return new CpuBackend(target, pool, CpuWeights.Load(weights, config, target, pool, progress, cancellationToken));
        }
        catch
        {
            pool.Dispose();
            throw;
        }
    }

    public IMemoryModel MemoryModelFor(EncoderGraph graph) => new CpuMemoryModel(graph, _target);

    public IEncoderExecutable Compile(EncoderGraph graph, MemoryPlan plan) =>
        new CpuExecutable(this, plan.ArenaByteCount, CpuCompiler.Compile(graph, plan, _weights, _target));

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

    private void Run(CpuExecutable executable, ReadOnlySpan<float> pixels, Span<float> outputs, CancellationToken cancellationToken)
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

            fixed (float* input = pixels, output = outputs)
            {
                CpuMemory memory = new(_arena.Bytes, input, output);
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

    private sealed class CpuExecutable(CpuBackend backend, long arenaByteCount, CpuStep[] steps) : IEncoderExecutable
    {
        public long ArenaByteCount { get; } = arenaByteCount;

        public CpuStep[] Steps { get; } = steps;

        public void Run(ReadOnlySpan<float> pixels, Span<float> outputs, CancellationToken cancellationToken) =>
            backend.Run(this, pixels, outputs, cancellationToken);
    }
}
