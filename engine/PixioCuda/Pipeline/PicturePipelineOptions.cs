namespace PixioCuda.Pipeline;

/// <summary>How a <see cref="PicturePipeline"/> works. None of it changes what comes out, only when.</summary>
public sealed record PicturePipelineOptions
{
    /// <summary>What to compute of every picture.</summary>
    public required EncoderTaps Taps { get; init; }

    /// <summary>The most pictures that run together, at least 1. Pictures of different sizes never do.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>How many threads read, decode and resize; null for one on every core that the process may use.</summary>
    public int? DecodeWorkers { get; init; }

    /// <summary>How many batches may be on the device at a time; null for what suits it: 1 on the CPU, which runs one at a time anyway,
    /// and the model's number of sessions on CUDA.</summary>
    public int? ConcurrentBatches { get; init; }

    /// <summary>How many pictures may be under way before the engine; null for two batches and two for each worker.</summary>
    public int? PicturesAhead { get; init; }

    /// <summary>The memory, in bytes, that pictures may take before the engine, encoded, decoded and resized; one that is larger goes
    /// alone. Batches and their outputs come on top: as many as there are concurrent ones, and two.</summary>
    public long MemoryLimit { get; init; } = 1L << 30;

    /// <summary>Whether every result has the SHA-256 of its picture's file.</summary>
    public bool HashContents { get; init; }

    internal void ThrowIfInvalid()
    {
        ArgumentNullException.ThrowIfNull(Taps);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(DecodeWorkers ?? 1, 1, nameof(DecodeWorkers));
        ArgumentOutOfRangeException.ThrowIfLessThan(ConcurrentBatches ?? 1, 1, nameof(ConcurrentBatches));
        ArgumentOutOfRangeException.ThrowIfLessThan(PicturesAhead ?? 1, 1, nameof(PicturesAhead));
        ArgumentOutOfRangeException.ThrowIfLessThan(MemoryLimit, 1);
    }
}
