using System.Diagnostics;

namespace PixioCuda.Hub;

/// <summary>Adds up what several downloads bring, and tells it a few times a second.</summary>
internal sealed class DownloadReport(HubOptions options, long totalByteCount)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly Lock _lock = new();
    private long _byteCount;
    private long _lastReport;

    /// <summary>Counts bytes; fewer than none where a download begins anew.</summary>
    public void Add(long byteCount)
    {
        if (byteCount == 0 || options.Progress is not IProgress<HubProgress> progress)
            return;
        lock (_lock)
        {
            _byteCount += byteCount;
            if (_byteCount < totalByteCount && _lastReport != 0 && Stopwatch.GetElapsedTime(_lastReport) < Interval)
                return;
            _lastReport = Stopwatch.GetTimestamp();
            progress.Report(new HubProgress(_byteCount, totalByteCount));
        }
    }

    /// <summary>Tells the user something.</summary>
    public void Notice(string text) => options.Notice?.Invoke(text);
}
