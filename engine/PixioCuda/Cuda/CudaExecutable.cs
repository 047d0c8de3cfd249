using PixioCuda.Graph;

namespace PixioCuda.Cuda;

/// <summary>An output on its way to the caller.</summary>
/// <param name="ArenaOffset">Where it lies in the arena, in bytes; float32.</param>
/// <param name="Offset">Where it goes in the caller's memory, in elements.</param>
/// <param name="Length">Its elements.</param>
internal sealed record CudaOutput(long ArenaOffset, long Offset, long Length);

/// <summary>A compiled graph: the launches of a forward pass of one shape.</summary>
internal sealed class CudaExecutable(
    CudaBackend backend, EncoderGraph graph, IReadOnlyList<CudaStep> steps, IReadOnlyList<CudaOutput> outputs, long arenaByteCount)
    : IEncoderExecutable
{
    public IReadOnlyList<CudaStep> Steps { get; } = steps;

    public IReadOnlyList<CudaOutput> Outputs { get; } = outputs;

    public long ArenaByteCount { get; } = arenaByteCount;

    public long InputByteCount { get; } = InputByteCountOf(graph);

    /// <summary>What a run takes of a device's memory beside the weights.</summary>
    public long DeviceByteCount => ArenaByteCount + InputByteCount;

    /// <summary>The input that it takes.</summary>
    public InputShape Shape => graph.Shape;

    /// <summary>In floats.</summary>
    public long OutputLength { get; } = graph.OutputLength;

    /// <summary>The most pictures, fewer than this executable's, that a run of takes no more than so many bytes of a device's memory; 0 where
    /// one takes more.</summary>
    public int LargestBatch(long byteCount)
    {
        int fits = 0, end = graph.Shape.Batch;
        while (end - fits > 1)
        {
            int middle = fits + ((end - fits) / 2);
            EncoderGraph smaller = backend.Lower(EncoderGraph.Create(graph.Config, graph.Shape with { Batch = middle }, graph.Taps));
            long needed = MemoryPlan.Create(smaller, backend.MemoryModelFor(smaller)).ArenaByteCount + InputByteCountOf(smaller);
            if (needed <= byteCount)
                fits = middle;
            else
                end = middle;
        }

        return fits;
    }

    /// <summary>What a run launches; nothing runs.</summary>
    public IReadOnlyList<CudaLaunch> DescribeLaunches() => backend.DescribeLaunches(this);

    /// <summary>Measures what a run launches.</summary>
    public CudaProfile Profile(float[] pixels, int runs, CancellationToken cancellationToken)
        => backend.Profile(this, pixels, runs, cancellationToken);

    public void Run(EncoderInput input, Span<float> outputs, CancellationToken cancellationToken)
        => backend.Run(this, input, outputs, cancellationToken);

    /// <summary>As the other one, with outputs that stay on the device.</summary>
    public void Run(EncoderInput input, DeviceOutputs outputs, CancellationToken cancellationToken)
        => backend.Run(this, input, outputs, cancellationToken);

    public void Warmup(bool onDevice, CancellationToken cancellationToken) => backend.Warmup(this, onDevice, cancellationToken);

    private static long InputByteCountOf(EncoderGraph graph)
        => graph.Input.ElementCount * (graph.Shape.Pixels == PixelFormat.U8 ? 1 : sizeof(float));
}
