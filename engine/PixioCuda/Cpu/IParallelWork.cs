namespace PixioCuda.Cpu;

/// <summary>Work cut into tasks that may run in any order, on any thread. A task's result must not depend on either.</summary>
internal interface IParallelWork
{
    /// <summary>Runs one task.</summary>
    /// <param name="task">0 to the count given to <see cref="WorkerPool.Run"/>.</param>
    /// <param name="worker">0 to <see cref="WorkerPool.ThreadCount"/> - 1; no two tasks that run at the same time share it.</param>
    void Execute(int task, int worker);
}
