namespace PixioCuda;

/// <summary>How <c>EmbedAsync</c> puts the pictures of concurrent callers together. None of it changes a result: a picture's embedding has
/// the same bits in every batch.</summary>
public sealed record BatchingOptions
{
    /// <summary>The most pictures that run together, 1 to 1024. Each run's batch is this, or a power of two below it.</summary>
    public int MaxBatch { get; init; } = 16;

    /// <summary>How long a picture that is ready waits for others to share its run, 0 to 10 seconds; a full batch does not wait. While a run
    /// is in flight, pictures gather for the next one anyway, so that 0 batches too when there is more to do than one run at a time.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>The most pictures that are being decoded or wait for their run, 1 to 1,048,576. A call beyond that is rejected at once with a
    /// <see cref="QueueFullException"/>. A waiting picture takes 3 bytes for each of its pixels after resize and crop.</summary>
    public int MaxQueued { get; init; } = 256;

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void ThrowIfInvalid()
    {
        if (MaxBatch is < 1 or > 1024)
            throw new ArgumentException($"A batch of {MaxBatch} pictures cannot be used: set {nameof(MaxBatch)} to 1 to 1024.");
        if (MaxDelay < TimeSpan.Zero || MaxDelay > TimeSpan.FromSeconds(10))
            throw new ArgumentException($"A delay of {MaxDelay} cannot be used: set {nameof(MaxDelay)} to 0 to 10 seconds.");
        if (MaxQueued is < 1 or > 1 << 20)
            throw new ArgumentException($"A queue of {MaxQueued} pictures cannot be used: set {nameof(MaxQueued)} to 1 to {1 << 20}.");
    }
}
