namespace PixioCuda;

/// <summary>How far the loading of a model is.</summary>
/// <param name="LoadedByteCount">Bytes of weights in place.</param>
/// <param name="TotalByteCount">Bytes of weights in all, as kept in memory.</param>
public readonly record struct LoadProgress(long LoadedByteCount, long TotalByteCount);
