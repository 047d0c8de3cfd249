using System.Globalization;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>What must hold after a soak.</summary>
internal static class SoakAssert
{
    // Every way a call may go must have been gone, or the soak has shown nothing about it.
    private static readonly string[] Expected =
        ["run", "embedded", "picture", "cancelled", "broken picture", "wrong length", "rejected", "disposed", "reloaded"];

    public static void Covered(IReadOnlyDictionary<string, long> outcomes)
    {
        string all = string.Join(", ", outcomes.Select(outcome => string.Create(CultureInfo.InvariantCulture, $"{outcome.Key}: {outcome.Value}")));
        TestContext.Current.SendDiagnosticMessage(all);
        Assert.True(Expected.All(outcomes.ContainsKey), all);
    }

    /// <summary>Runs twice, first briefly; after the second time there must be no more threads of the library and no more memory than after
    /// the first.</summary>
    /// <param name="run">A whole soak of a given length, everything disposed of at its end.</param>
    /// <param name="duration">How long both are together.</param>
    /// <param name="handles">Counts what the device has handed out and not got back.</param>
    /// <param name="isResidentFlat">Whether the process's memory is looked at too: not where the device is emulated, which never uses an
    /// address twice and remembers every one. What the library takes of it is among the handles.</param>
    public static async Task LeavesNothingAsync<T>(Func<TimeSpan, Task> run, TimeSpan duration, Func<T> handles, bool isResidentFlat = true)
    {
        T before = handles();
        // A thread that was told to end takes its time where many others run.
        int threadsBefore = LibraryThreads();
        await run(TimeSpan.FromTicks(duration.Ticks / 5));
        (int threads, long managed, long resident) = await MeasureAsync(() => Equals(before, handles()) && LibraryThreads() <= threadsBefore);
        Assert.Equal(before, handles());
        await run(TimeSpan.FromTicks(duration.Ticks * 4 / 5));
        (int threadsAfter, long managedAfter, long residentAfter) = await MeasureAsync(
            () => Equals(before, handles()) && LibraryThreads() <= threads);
        Assert.Equal(before, handles());
        Assert.Equal(threads, threadsAfter);
        // A model of the soak is 1 MB of weights, and it loads several a second: what leaked from one in ten would show.
        Assert.True(managedAfter - managed < 2 << 20, $"The managed heap grew from {managed:N0} to {managedAfter:N0} bytes.");
        Assert.True(!isResidentFlat || residentAfter - resident < 32 << 20, $"The process grew from {resident:N0} to {residentAfter:N0} bytes.");
    }

    /// <summary>What there is when nothing changes any more. What nobody refers to is freed by finalizers, in their own time.</summary>
    private static async Task<(int Threads, long ManagedByteCount, long ResidentByteCount)> MeasureAsync(Func<bool> isSettled)
    {
        for (int round = 0; round < 2 || (round < 50 && !isSettled()); round++)
        {
            await Task.Delay(100);
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return (LibraryThreads(), GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
    }

    /// <summary>The threads that the library has started and that have not ended; 0 where the system does not tell.</summary>
    private static int LibraryThreads() => !OperatingSystem.IsLinux() ? 0 : Directory.GetDirectories("/proc/self/task").Count(task =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).StartsWith("PixioCuda", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // It ended in between.
            return false;
        }
    });
}
