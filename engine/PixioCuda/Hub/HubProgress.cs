namespace PixioCuda.Hub;

/// <summary>How far the download of a model is.</summary>
/// <param name="DownloadedByteCount">Bytes of the files that are missing in the cache, as far as they are on the disk.</param>
/// <param name="TotalByteCount">Bytes of all files that were missing.</param>
public readonly record struct HubProgress(long DownloadedByteCount, long TotalByteCount);
