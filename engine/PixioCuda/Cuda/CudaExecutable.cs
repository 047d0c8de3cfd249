using PixioCuda.Graph;

namespace PixioCuda.Cuda;

/// <summary>An output on its way to the caller.</summary>
/// <param name="ArenaOffset">Where it lies in the arena, in bytes; float32.</param>
/// <param name="Offset">Where it goes in the caller's memory, in elements.</param>
/// <param name="Length">Its elements.</param>
internal readonly record struct CudaOutput(long ArenaOffset, long Offset, long Length);

/// <summary>A compiled graph: the launches of a forward pass of one shape.</summary>
internal sealed class CudaExecutable(
    CudaBackend backend, IReadOnlyList<CudaStep> steps, IReadOnlyList<CudaOutput> outputs, long arenaByteCount, long inputByteCount, long outputLength)
    : IEncoderExecutable
{
    public IReadOnlyList<CudaStep> Steps { get; } = steps;

    public IReadOnlyList<CudaOutput> Outputs { get; } = outputs;

    public long ArenaByteCount { get; } = arenaByteCount;

    public long InputByteCount { get; } = inputByteCount;

    /// <summary>In floats.</summary>
    public long OutputLength { get; } = outputLength;

    /// <summary>What a run launches; nothing runs.</summary>
    public IReadOnlyList<CudaLaunch> DescribeLaunches() => backend.DescribeLaunches(this);

    /// <summary>Measures what a run launches.</summary>
    public CudaProfile Profile(float[] pixels, int runs, CancellationToken cancellationToken)
        => backend.Profile(this, pixels, runs, cancellationToken);

    public void Run(EncoderInput input, Span<float> outputs, CancellationToken cancellationToken)
        => backend.Run(this, input, outputs, cancellationToken);

    public void Warmup(bool onDevice, CancellationToken cancellationToken) => backend.Warmup(this, onDevice, cancellationToken);
}
