namespace PixioCuda.Cpu;

/// <summary>A fixed set of threads that take tasks from a shared counter; the calling thread is one of them. Between the parallel
/// stretches of a run, workers spin for some microseconds, since the next stretch is near; after that they sleep.</summary>
/// <remarks>One stretch at a time: <see cref="Run"/> is not to be called from several threads at once. Starting a stretch allocates
/// nothing. A worker that the system has put aside holds nobody up: whoever is awake takes its tasks.</remarks>
internal sealed class WorkerPool : IDisposable
{
    // About 50 microseconds: longer than the serial gap between two ops, shorter than anybody would notice on a core.
    private const int SpinCount = 2000;

    private readonly Thread[] _threads;
    private readonly Lock _disposeLock = new();
    private readonly object _sleepLock = new();
    private int _sleeping;
    private bool _isDisposed;

    // The upper 32 bits number the stretch, the lower ones count the tasks that nobody has taken yet. One word, so that taking a
    // task and knowing which stretch it belongs to are the same act: a late worker cannot take a task of the wrong stretch.
    private long _ticket;
    private IParallelWork? _work;
    private int _taskCount;
    private int _finished;
    private Exception? _failure;

    /// <summary>Starts the threads.</summary>
    /// <param name="threadCount">How many threads work, the calling one included; at least 1.</param>
    public WorkerPool(int threadCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threadCount, 1);
        ThreadCount = threadCount;
        _threads = new Thread[threadCount - 1];
        for (int index = 0; index < _threads.Length; index++)
        {
            int worker = index + 1;
            _threads[index] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"PixioCuda worker {worker}" };
            _threads[index].Start();
        }
    }

    public int ThreadCount { get; }

    /// <summary>Runs all tasks and returns when the last one has ended.</summary>
    /// <exception cref="AggregateException">A task threw; the other tasks were run all the same.</exception>
    public void Run(IParallelWork work, int taskCount)
    {
        if (taskCount <= 0)
            return;
        _work = work;
        _taskCount = taskCount;
        Volatile.Write(ref _finished, 0);
        long stretch = (_ticket >> 32) + 1;
        // The exchange orders all of the above before the ticket, and the ticket before the look at who sleeps.
        Interlocked.Exchange(ref _ticket, (stretch << 32) | (uint)taskCount);
        if (taskCount > 1 && Volatile.Read(ref _sleeping) > 0)
            WakeAll();

        while (TryRunTask(worker: 0))
        {
        }

        SpinWait spin = new();
        while (Volatile.Read(ref _finished) < taskCount)
            spin.SpinOnce(sleep1Threshold: -1);
        _work = null;
        if (Interlocked.Exchange(ref _failure, null) is Exception failure)
            throw new AggregateException("A task of a parallel stretch failed.", failure);
    }

    public void Dispose()
    {
        lock (_disposeLock)
        {
            if (Volatile.Read(ref _isDisposed))
                return;
            Volatile.Write(ref _isDisposed, true);
        }

        WakeAll();
        foreach (Thread thread in _threads)
            thread.Join();
    }

    private void Work(int worker)
    {
        int idle = 0;
        while (!Volatile.Read(ref _isDisposed))
        {
            if (TryRunTask(worker))
            {
                idle = 0;
            }
            else if (++idle < SpinCount)
            {
                Thread.SpinWait(10);
            }
            else
            {
                Sleep();
                idle = 0;
            }
        }
    }

    private bool TryRunTask(int worker)
    {
        while (true)
        {
            long ticket = Volatile.Read(ref _ticket);
            int left = (int)(uint)ticket;
            if (left == 0)
                return false;
            if (Interlocked.CompareExchange(ref _ticket, ticket - 1, ticket) != ticket)
                continue;

            // The stretch cannot end before this task is counted as finished, so its fields are stable from here on.
            try
            {
                _work!.Execute(_taskCount - left, worker);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
            }

            Interlocked.Increment(ref _finished);
            return true;
        }
    }

    private void Sleep()
    {
        lock (_sleepLock)
        {
            // Raised before the last look at the ticket: either this thread sees the new stretch, or Run sees a sleeper.
            Interlocked.Increment(ref _sleeping);
            while ((int)(uint)Volatile.Read(ref _ticket) == 0 && !Volatile.Read(ref _isDisposed))
                Monitor.Wait(_sleepLock);
            Interlocked.Decrement(ref _sleeping);
        }
    }

    private void WakeAll()
    {
        lock (_sleepLock)
            Monitor.PulseAll(_sleepLock);
    }
}
