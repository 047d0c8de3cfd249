using System.Diagnostics;
using System.Globalization;
using PixioCuda.Diagnostics;

namespace PixioCuda.Peers;

/// <summary>Measures engines by turns, so that what the machine loses to others, all of them lose alike, and compares each round's
/// times with each other.</summary>
internal sealed class Comparison(IReadOnlyList<IEngine> engines, PeerOptions options, double flops)
{
    // A turn is long enough for a median, and short beside what disturbs a machine.
    private const int LeastRunsInTurn = 3;
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(0.8);

    // Threads of the engine before have stopped spinning by then.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private static readonly TimeSpan PeakDuration = TimeSpan.FromSeconds(0.2);

    private readonly List<double>[] _seconds = [.. engines.Select(_ => new List<double>())];
    private readonly List<double> _peaks = [];

    /// <summary>The relative L2 distance of two outputs.</summary>
    public static double Distance(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        double difference = 0, norm = 0;
        for (int index = 0; index < expected.Length; index++)
        {
            difference += Math.Pow((double)actual[index] - expected[index], 2);
            norm += Math.Pow(expected[index], 2);
        }

        return Math.Sqrt(difference / norm);
    }

    /// <summary>Measures all rounds and prints each.</summary>
    public void Measure()
    {
        for (int round = 0; round < options.Rounds; round++)
        {
            _peaks.Add(CpuPeak.MeasureGflops(options.Threads, PeakDuration));
            // Each engine comes first in turn.
            for (int turn = 0; turn < engines.Count; turn++)
            {
                int engine = (round + turn) % engines.Count;
                Thread.Sleep(Pause);
                _seconds[engine].Add(MedianOfTurn(engines[engine]));
            }

            string times = string.Join(", ", engines.Select((engine, index) => Text($"{engine.Name} {1e3 * _seconds[index][^1]:F1} ms")));
            Console.Error.WriteLine(Text($"round {round + 1}: FMA peak {_peaks[^1]:F0} GFLOP/s, {times}"));
        }
    }

    /// <summary>Prints the medians, and the ratio of every other engine's time to the first one's.</summary>
    public void Print()
    {
        Console.WriteLine(Text($"FMA peak, median of {options.Rounds} rounds: {Median(_peaks):F0} GFLOP/s, {options.Threads} threads"));
        Console.WriteLine();
        Console.WriteLine("| engine | ms | GFLOP/s | of FMA | time over PixioCuda's, median (least to most) |");
        Console.WriteLine("|---|---|---|---|---|");
        for (int engine = 0; engine < engines.Count; engine++)
        {
            double[] shares = [.. _seconds[engine].Select((time, round) => flops / time / 1e9 / _peaks[round])];
            double[] ratios = Ratios(engine);
            double median = Median(_seconds[engine]);
            Console.WriteLine(Text(
                $"| {engines[engine].Name} | {1e3 * median:F1} | {flops / median / 1e9:F1} | {100 * Median(shares):F0}% ")
                + Text($"| {Median(ratios):F2} ({ratios.Min():F2} to {ratios.Max():F2}) |"));
        }

        int fastest = Enumerable.Range(1, engines.Count - 1).MinBy(engine => Median(_seconds[engine]));
        Console.WriteLine();
        Console.WriteLine(Text($"PixioCuda is {Median(Ratios(fastest)):F2} times as fast as {engines[fastest].Name}, the fastest of the others."));
    }

    private static double MedianOfTurn(IEngine engine)
    {
        engine.Run();
        List<double> times = [];
        long begin = Stopwatch.GetTimestamp();
        while (times.Count < LeastRunsInTurn || Stopwatch.GetElapsedTime(begin) < Turn)
        {
            long start = Stopwatch.GetTimestamp();
            engine.Run();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return Median(times);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private double[] Ratios(int engine) => [.. _seconds[engine].Zip(_seconds[0], (other, ours) => other / ours)];
}
