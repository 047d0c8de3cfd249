using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(9)]
    public void Every_task_runs_exactly_once(int threads)
    {
        using WorkerPool pool = new(threads);
        CountingWork work = new(threads);
        Random random = new(5);
        for (int stretch = 0; stretch < 20_000; stretch++)
        {
            int tasks = random.Next(12);
            work.Reset(tasks);
            pool.Run(work, tasks);
            Assert.All(work.Runs.Take(tasks), runs => Assert.Equal(1, runs));
            Assert.All(work.Runs.Skip(tasks), runs => Assert.Equal(0, runs));
        }

        Assert.False(work.SawSharedWorker);
    }

    [Fact]
    public void Sleeping_workers_wake_up()
    {
        using WorkerPool pool = new(3);
        using BarrierWork work = new(3);
        for (int stretch = 0; stretch < 5; stretch++)
        {
            // Long enough for every worker to fall asleep.
            Thread.Sleep(50);
            // Each task waits for the two others, so that this ends only when all three threads work.
            pool.Run(work, 3);
        }

        Assert.Equal(15, work.Finished);
    }

    [Fact]
    public void A_failure_reaches_the_caller_and_the_pool_lives_on()
    {
        using WorkerPool pool = new(2);
        AggregateException exception = Assert.Throws<AggregateException>(() => pool.Run(new FailingWork(), 10));
        Assert.IsType<InvalidDataException>(exception.InnerException);
        CountingWork work = new(2);
        work.Reset(10);
        pool.Run(work, 10);
        Assert.All(work.Runs.Take(10), runs => Assert.Equal(1, runs));
    }

    [Fact]
    public void Starting_a_stretch_allocates_nothing()
    {
        using WorkerPool pool = new(2);
        CountingWork work = new(2);
        SteadyState.AllocatesNothing(runs: 100, () => pool.Run(work, 10));
    }

    [Fact]
    public void Disposing_twice_is_fine()
    {
        WorkerPool pool = new(2);
        pool.Dispose();
        pool.Dispose();
    }

    private sealed class CountingWork(int threads) : IParallelWork
    {
        private readonly int[] _busy = new int[threads];

        public int[] Runs { get; } = new int[16];

        public bool SawSharedWorker { get; private set; }

        public void Reset(int tasks) => Array.Clear(Runs);

        public void Execute(int task, int worker)
        {
            SawSharedWorker |= Interlocked.Exchange(ref _busy[worker], 1) != 0;
            Interlocked.Increment(ref Runs[task]);
            Volatile.Write(ref _busy[worker], 0);
        }
    }

    private sealed class BarrierWork(int participants) : IParallelWork, IDisposable
    {
        private readonly Barrier _barrier = new(participants);
        private int _finished;

        public int Finished => _finished;

        public void Dispose() => _barrier.Dispose();

        public void Execute(int task, int worker)
        {
            Assert.True(_barrier.SignalAndWait(TimeSpan.FromSeconds(30)));
            Interlocked.Increment(ref _finished);
        }
    }

    private sealed class FailingWork : IParallelWork
    {
        public void Execute(int task, int worker)
        {
            if (task == 3)
                throw new InvalidDataException("on purpose");
        }
    }
}
