using Xunit;

namespace PixioCuda.Tests;

/// <summary>Holds to it that what is done over and over costs the garbage collector nothing.</summary>
internal static class SteadyState
{
    private const int Rounds = 20;

    /// <summary>Does something until a whole round of it has allocated nothing on the calling thread; what allocates in every round fails.</summary>
    /// <remarks>One round alone would not do, for .NET itself allocates now and then on whatever thread it is: where a path that waits for others
    /// is taken for the first time, where its cache of casts has been outgrown by what other tests do meanwhile, where a collection has emptied
    /// the shared pool of arrays.</remarks>
    /// <param name="runs">How often it is done in a round.</param>
    /// <param name="run">What is done.</param>
    public static void AllocatesNothing(int runs, Action run)
    {
        List<long> rounds = new(Rounds);
        do
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int index = 0; index < runs; index++)
                run();
            rounds.Add(GC.GetAllocatedBytesForCurrentThread() - before);
        }
        while (rounds[^1] != 0 && rounds.Count < Rounds);
        Assert.True(rounds[^1] == 0, $"Rounds of {runs} have allocated {string.Join(", ", rounds)} bytes.");
    }
}
