using PixioCuda.Cuda;

namespace PixioCuda.Pipeline;

/// <summary>What resizes and normalises the pictures of a pipeline. The pixel values are the same bits.</summary>
public enum PreprocessOn
{
    /// <summary>The GPU where the model is on one and there is memory for it, else the CPU. <see cref="PicturePipeline.Preprocessing"/>
    /// says which and why.</summary>
    Auto,

    /// <summary>The CPU, on the threads that decode.</summary>
    Cpu,

    /// <summary>The model's GPU: decoded pictures are copied there as they are. Those that would take more than 80 MB there, which is about
    /// 27 million pixels, are left to the CPU.</summary>
    Gpu,
}

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

    /// <summary>What resizes and normalises the pictures. On a GPU that takes up to 80 MB of its memory and 160 MB of pinned host memory,
    /// as the pictures need it, and batches wait there for their run: as many as there are concurrent ones, and three.</summary>
    public PreprocessOn PreprocessOn { get; init; }

    /// <summary>The memory, in bytes, that pictures may take before the engine, encoded, decoded and resized; one that is larger goes
    /// alone. Batches and their outputs come on top: as many as there are concurrent ones, and two.</summary>
    public long MemoryLimit { get; init; } = 1L << 30;

    /// <summary>Whether every result has the SHA-256 of its picture's file.</summary>
    public bool HashContents { get; init; }

    /// <summary>The device memory, in bytes, that one picture may take while a GPU resizes it; larger ones are left to the CPU. For
    /// tests.</summary>
    internal long DeviceByteLimit { get; init; } = CudaPreprocessor.DefaultByteLimit;

    internal void ThrowIfInvalid()
    {
        ArgumentNullException.ThrowIfNull(Taps);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(DecodeWorkers ?? 1, 1, nameof(DecodeWorkers));
        ArgumentOutOfRangeException.ThrowIfLessThan(ConcurrentBatches ?? 1, 1, nameof(ConcurrentBatches));
        ArgumentOutOfRangeException.ThrowIfLessThan(PicturesAhead ?? 1, 1, nameof(PicturesAhead));
        ArgumentOutOfRangeException.ThrowIfLessThan(MemoryLimit, 1);
        if (!Enum.IsDefined(PreprocessOn))
            throw new ArgumentOutOfRangeException(nameof(PreprocessOn), PreprocessOn, "There is no such place for preprocessing.");
    }
}
