namespace PixioCuda.Pipeline;

/// <summary>The memory that pictures may take between their source and the engine. Each picture takes its share under its number in the
/// order; whoever would exceed the limit waits, except the first in the order, for which all others wait: so it always goes on, and the
/// limit is exceeded by one picture at most.</summary>
internal sealed class PictureMemory(long limit)
{
    private readonly object _lock = new();
    private long _first;
    private long _used;
    private bool _isStopped;

    /// <summary>The most that was taken at once.</summary>
    public long Peak { get; private set; }

    /// <summary>Waits for memory.</summary>
    /// <exception cref="OperationCanceledException">The pipeline was stopped.</exception>
    public void Take(long number, long byteCount)
    {
        lock (_lock)
        {
            while (!_isStopped && number != _first && _used + byteCount > limit)
                Monitor.Wait(_lock);
            if (_isStopped)
                throw new OperationCanceledException();
            _used += byteCount;
            Peak = Math.Max(Peak, _used);
        }
    }

    /// <summary>Gives memory back.</summary>
    public void Return(long byteCount)
    {
        lock (_lock)
        {
            _used -= byteCount;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Gives the first picture's memory back; the next one is the first.</summary>
    public void Advance(long byteCount)
    {
        lock (_lock)
        {
            _first++;
            _used -= byteCount;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Lets nobody wait any longer.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            _isStopped = true;
            Monitor.PulseAll(_lock);
        }
    }
}
