using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using PixioCuda.Diagnostics;

namespace PixioCuda.Bench.Reporting;

/// <summary>What the machine can do at best, measured in the same run as the benchmarks.</summary>
/// <param name="Threads">With how many threads.</param>
/// <param name="Gflops">Fused multiply-adds on registers, in GFLOP/s.</param>
/// <param name="CopyGigabytes">Copying memory that no cache holds, in GB/s, read and written bytes counted.</param>
internal sealed record Ceilings(int Threads, double Gflops, double CopyGigabytes)
{
    private const int CopyLength = 1 << 26;

    public static Ceilings Measure(int threads) =>
        new(threads, CpuPeak.MeasureGflops(threads, TimeSpan.FromSeconds(0.5)), MeasureCopy(threads));

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"ceilings of this run: {Gflops:F1} GFLOP/s of FMA, {CopyGigabytes:F1} GB/s of copying, {Threads} threads");

    private static unsafe double MeasureCopy(int threads)
    {
        float* from = (float*)NativeMemory.AllocZeroed(CopyLength, sizeof(float)), to = (float*)NativeMemory.AllocZeroed(CopyLength, sizeof(float));
        try
        {
            double best = 0;
            for (int round = 0; round < 5; round++)
            {
                long start = Stopwatch.GetTimestamp();
                Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, part =>
                {
                    long first = (long)CopyLength * part / threads, end = (long)CopyLength * (part + 1) / threads;
                    Buffer.MemoryCopy(from + first, to + first, (end - first) * sizeof(float), (end - first) * sizeof(float));
                });
                // The first round only brings the pages in.
                if (round > 0)
                    best = Math.Max(best, 2.0 * CopyLength * sizeof(float) / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
            }

            return best;
        }
        finally
        {
            NativeMemory.Free(from);
            NativeMemory.Free(to);
        }
    }
}
