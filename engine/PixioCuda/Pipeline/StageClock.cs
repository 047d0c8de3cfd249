using System.Diagnostics;

namespace PixioCuda.Pipeline;

/// <summary>Counts what the stages of a pipeline do; any number of threads may count at once.</summary>
internal sealed class StageClock(int decodeWorkers)
{
    private static readonly PipelineStage[] All = Enum.GetValues<PipelineStage>();

    private readonly long[] _busy = new long[All.Length];
    private int _engineWorkers = 1;
    private bool _hasGpuPreprocess;
    private long _began = Stopwatch.GetTimestamp();
    private long _ended;
    private long _succeeded;
    private long _failed;
    private long _encodedBytes;

    /// <summary>Begins to count anew: what was done while the model was loaded says nothing about what limits the rest.</summary>
    /// <param name="engineWorkers">The threads that run batches.</param>
    /// <param name="hasGpuPreprocess">Whether a GPU preprocesses.</param>
    public void Restart(int engineWorkers, bool hasGpuPreprocess)
    {
        _engineWorkers = engineWorkers;
        _hasGpuPreprocess = hasGpuPreprocess;
        Interlocked.Exchange(ref _began, Stopwatch.GetTimestamp());
        for (int stage = 0; stage < _busy.Length; stage++)
            Interlocked.Exchange(ref _busy[stage], 0);
    }

    public void Stop() => Interlocked.CompareExchange(ref _ended, Stopwatch.GetTimestamp(), 0);

    /// <summary>Adds the time since a timestamp, and gives the time now.</summary>
    public long Add(PipelineStage stage, long since)
    {
        long now = Stopwatch.GetTimestamp();
        // Not what was before a restart.
        Interlocked.Add(ref _busy[(int)stage], now - Math.Max(since, Interlocked.Read(ref _began)));
        return now;
    }

    public void CountEncoded(int byteCount) => Interlocked.Add(ref _encodedBytes, byteCount);

    public void CountResult(bool failed) => Interlocked.Increment(ref failed ? ref _failed : ref _succeeded);

    public PipelineStatistics Snapshot()
    {
        long ended = Interlocked.Read(ref _ended);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(Interlocked.Read(ref _began), ended != 0 ? ended : Stopwatch.GetTimestamp());
        return new PipelineStatistics(
            elapsed, Interlocked.Read(ref _succeeded), Interlocked.Read(ref _failed), Interlocked.Read(ref _encodedBytes),
            [.. All.Where(stage => stage != PipelineStage.GpuPreprocess || _hasGpuPreprocess).Select(stage => Share(stage, elapsed))]);
    }

    private StageShare Share(PipelineStage stage, TimeSpan elapsed)
    {
        int workers = PipelineStatistics.IsOfWorkers(stage) ? decodeWorkers : stage == PipelineStage.Engine ? _engineWorkers : 1;
        TimeSpan busy = Stopwatch.GetElapsedTime(0, Interlocked.Read(ref _busy[(int)stage]));
        return new StageShare(stage, busy, workers, elapsed > TimeSpan.Zero ? Math.Min(busy / elapsed / workers, 1) : 0);
    }
}
