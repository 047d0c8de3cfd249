namespace PixioCuda.Weights;

/// <summary>How far the writing of a checkpoint is.</summary>
/// <param name="WrittenByteCount">Bytes of weights written.</param>
/// <param name="TotalByteCount">Bytes of weights in all, as stored.</param>
public readonly record struct CheckpointWriteProgress(long WrittenByteCount, long TotalByteCount);
