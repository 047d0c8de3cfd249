using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using PixioCuda.Cpu;

namespace PixioCuda.Diagnostics;

/// <summary>Measures what the CPU could do at best, so that a speed can be told as a share of it.</summary>
public static class CpuPeak
{
    // A multiple of the longest latency times the widest issue of any current core, and few enough for 16 registers.
    private const int Chains = 12;
    private const int Rounds = 20_000;

    // Tasks of a stretch for each thread. Long ones take some milliseconds, beside which waking the threads does not show; short ones a tenth of
    // one, less than a system leaves a thread alone for even where other programs want the processor too.
    private const int LongStretch = 128, ShortStretch = 4, ShortStretches = 32;

    /// <summary>The rate of fused multiply-adds on registers alone, with the vectors and the number of threads that a model would use.</summary>
    /// <param name="threads">As many as the model's.</param>
    /// <param name="duration">How long to measure; a tenth of a second is enough on a quiet machine.</param>
    /// <returns>GFLOP/s, where a multiply-add counts 2: the best of the stretches measured.</returns>
    public static double MeasureGflops(int threads, TimeSpan duration)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        using WorkerPool pool = new(threads);
        FmaWork work = new();
        double flopsPerTask = 2.0 * Chains * Rounds * CpuTarget.WidestVectorBits / 32;
        double best = 0;
        long begin = Stopwatch.GetTimestamp();
        do
        {
            // Enough tasks for the threads to share out evenly, whatever the system takes from one of them.
            Measure(LongStretch);
            // A run of a small model is shorter than what interrupts each of the long ones on a busy machine, and may not seem faster than the
            // units: with the threads awake, stretches as short.
            for (int stretch = 0; stretch < ShortStretches; stretch++)
                Measure(ShortStretch);
            // Whoever sleeps is put on a free core when he wakes; threads that never do may share one for as long as other programs run.
            Thread.Sleep(1);
        }
        while (Stopwatch.GetElapsedTime(begin) < duration);
        return best;

        void Measure(int tasksPerThread)
        {
            int tasks = tasksPerThread * threads;
            long start = Stopwatch.GetTimestamp();
            pool.Run(work, tasks);
            best = Math.Max(best, tasks * flopsPerTask / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
        }
    }

    private sealed class FmaWork : IParallelWork
    {
        public void Execute(int task, int worker)
        {
            float sum = CpuTarget.WidestVectorBits switch
            {
                512 => Multiply512(),
                256 => Multiply256(),
                _ => Multiply128(),
            };
            // Looked at, so that the arithmetic cannot be left out: every chain converges to 2.
            if (!(sum > 0))
                throw new InvalidOperationException($"The multiply-adds of the peak measurement gave {sum}.");
        }

        // The factor keeps the values where they are: neither overflow nor subnormal numbers come in.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Multiply512()
        {
            Vector512<float> x = Vector512.Create(0.5f), y = Vector512.Create(1f);
            Vector512<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
            for (int round = 0; round < Rounds; round++)
            {
                a = Vector512.FusedMultiplyAdd(a, x, y);
                b = Vector512.FusedMultiplyAdd(b, x, y);
                c = Vector512.FusedMultiplyAdd(c, x, y);
                d = Vector512.FusedMultiplyAdd(d, x, y);
                e = Vector512.FusedMultiplyAdd(e, x, y);
                f = Vector512.FusedMultiplyAdd(f, x, y);
                g = Vector512.FusedMultiplyAdd(g, x, y);
                h = Vector512.FusedMultiplyAdd(h, x, y);
                i = Vector512.FusedMultiplyAdd(i, x, y);
                j = Vector512.FusedMultiplyAdd(j, x, y);
                k = Vector512.FusedMultiplyAdd(k, x, y);
                l = Vector512.FusedMultiplyAdd(l, x, y);
            }

            return Vector512.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Multiply256()
        {
            Vector256<float> x = Vector256.Create(0.5f), y = Vector256.Create(1f);
            Vector256<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
            for (int round = 0; round < Rounds; round++)
            {
                a = Vector256.FusedMultiplyAdd(a, x, y);
                b = Vector256.FusedMultiplyAdd(b, x, y);
                c = Vector256.FusedMultiplyAdd(c, x, y);
                d = Vector256.FusedMultiplyAdd(d, x, y);
                e = Vector256.FusedMultiplyAdd(e, x, y);
                f = Vector256.FusedMultiplyAdd(f, x, y);
                g = Vector256.FusedMultiplyAdd(g, x, y);
                h = Vector256.FusedMultiplyAdd(h, x, y);
                i = Vector256.FusedMultiplyAdd(i, x, y);
                j = Vector256.FusedMultiplyAdd(j, x, y);
                k = Vector256.FusedMultiplyAdd(k, x, y);
                l = Vector256.FusedMultiplyAdd(l, x, y);
            }

            return Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Multiply128()
        {
            Vector128<float> x = Vector128.Create(0.5f), y = Vector128.Create(1f);
            Vector128<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
            for (int round = 0; round < Rounds; round++)
            {
                a = Vector128.FusedMultiplyAdd(a, x, y);
                b = Vector128.FusedMultiplyAdd(b, x, y);
                c = Vector128.FusedMultiplyAdd(c, x, y);
                d = Vector128.FusedMultiplyAdd(d, x, y);
                e = Vector128.FusedMultiplyAdd(e, x, y);
                f = Vector128.FusedMultiplyAdd(f, x, y);
                g = Vector128.FusedMultiplyAdd(g, x, y);
                h = Vector128.FusedMultiplyAdd(h, x, y);
                i = Vector128.FusedMultiplyAdd(i, x, y);
                j = Vector128.FusedMultiplyAdd(j, x, y);
                k = Vector128.FusedMultiplyAdd(k, x, y);
                l = Vector128.FusedMultiplyAdd(l, x, y);
            }

            return Vector128.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
        }
    }
}
