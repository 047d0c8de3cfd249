using System.CommandLine;
using System.Diagnostics;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Diagnostics;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio bench</c>: how fast the encoder runs here, without decoding and resizing.</summary>
internal sealed class BenchCommand
{
    private const string DefaultModel = "random:vitb16";
    private const int WarmUpRuns = 2;
    private const int LeastRuns = 3;
    private const double DefaultSeconds = 5;
    private static readonly TimeSpan PeakDuration = TimeSpan.FromMilliseconds(150);

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new("bench", "Measures the encoder alone: latency, images per second, GFLOP/s, share of the peak, memory.")
    {
        Examples =
        [
            ("pixio bench", $"five seconds of {DefaultModel}"),
            ("pixio bench --model random:vith16 --batch 4 --iterations 10 --threads 2", "ten runs of batches of four"),
            ("pixio bench --model DIR --size 512x512 --json", "for scripts"),
        ],
    };

    private readonly ModelOptions _model;
    private readonly Option<long?> _batch = OptionFactory.WholeNumber("--batch", "Pictures in a run [default: 1].", 1, 1024);
    private readonly Option<ImageSize?> _size = OptionFactory.Size("--size", "The size of a picture [default: the model's own].");
    private readonly Option<long?> _iterations = OptionFactory.WholeNumber("--iterations", "How many runs to measure.", 1, 1_000_000);
    private readonly Option<double?> _seconds = OptionFactory.Seconds("--seconds", "How long to measure instead [default: 5].");
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print one JSON document.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private BenchCommand(CommandConsole console)
    {
        _console = console;
        _model = new ModelOptions(_command);
        _command.Add(_batch);
        _command.Add(_size);
        _command.Add(_iterations);
        _command.Add(_seconds);
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        BenchCommand bench = new(console);
        bench._command.SetAction(parsed => bench.Run(parsed, cancellationToken));
        return bench._command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        long? iterations = parsed.GetValue(_iterations);
        double? seconds = parsed.GetValue(_seconds);
        if (iterations is not null && seconds is not null)
            throw new UsageException("Give --iterations or --seconds, not both.");

        string name = _model.Name(parsed, DefaultModel);
        long begin = Stopwatch.GetTimestamp();
        using PixioModel model = ModelOptions.Load(name, _model.Read(parsed), messages, cancellationToken);
        double loadSeconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        InputShape shape = new((int)(parsed.GetValue(_batch) ?? 1), parsed.GetValue(_size) ?? model.Config.ImageSize);
        // Everything is asked for that leaves the last block, so that nothing of the work counted is left out.
        EncoderPlan plan = model.Plan(shape, new EncoderTaps { LastHiddenState = true });
        float[] pixels = Pixels(plan.InputLength), outputs = new float[plan.OutputLength];
        for (int run = 0; run < WarmUpRuns; run++)
            model.Run(pixels, plan, outputs, cancellationToken);

        double? peak = PeakGflops(model);
        Measurement measured = Measure(() => model.Run(pixels, plan, outputs, cancellationToken), iterations, seconds ?? DefaultSeconds);
        if (peak is double before)
            measured = measured with { PeakGflops = Math.Max(before, PeakGflops(model)!.Value) };
        if (!Vectors.AreFinite(outputs))
            throw new FailedException("The outputs hold numbers that are not finite, so that these times mean nothing.");
        Print(new BenchReport(name, model, plan, loadSeconds, measured), parsed.GetValue(_json));
        return ExitCodes.Ok;
    }

    /// <summary>Values as normalised pixels have them, the same in every run.</summary>
    internal static float[] Pixels(long length)
    {
        float[] pixels = new float[length];
        uint state = 1;
        foreach (ref float pixel in pixels.AsSpan())
        {
            state = (state * 1664525) + 1013904223;
            pixel = ((state >> 8) / (float)(1 << 22)) - 2;
        }

        return pixels;
    }

    /// <summary>What the processor could do at best with the model's threads. Measured before the runs and after them, since other programs come
    /// and go.</summary>
    private static double? PeakGflops(PixioModel model) =>
        model.CpuThreads is int threads ? CpuPeak.MeasureGflops(threads, PeakDuration) : null;

    private static Measurement Measure(Action run, long? iterations, double seconds)
    {
        List<double> times = [];
        // Room before the first run: the list's own growth is not the encoder's.
        times.EnsureCapacity((int)Math.Min(iterations ?? 1 << 16, 1 << 20));
        long allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
        long begin = Stopwatch.GetTimestamp();
        while (iterations is long count ? times.Count < count
            : times.Count < LeastRuns || Stopwatch.GetElapsedTime(begin).TotalSeconds < seconds)
        {
            long start = Stopwatch.GetTimestamp();
            run();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        long allocated = GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;
        times.Sort();
        return new Measurement(times, allocated / times.Count, PeakGflops: null);
    }

    private void Print(BenchReport report, bool asJson)
    {
        if (asJson)
            _console.Out.WriteLine(JsonText.Of(report.Write));
        else
            FactTable.Print(_console, report.Facts());
    }
}

/// <summary>What was measured.</summary>
/// <param name="Seconds">The time of every run, ascending.</param>
/// <param name="AllocatedBytes">Managed memory allocated per run, on all threads.</param>
/// <param name="PeakGflops">The rate of multiply-adds on registers alone, in GFLOP/s; null where it was not measured.</param>
internal sealed record Measurement(IReadOnlyList<double> Seconds, long AllocatedBytes, double? PeakGflops)
{
    /// <summary>The time below which a share of the runs stays, interpolated.</summary>
    public double Quantile(double share)
    {
        double position = share * (Seconds.Count - 1);
        int below = (int)position, above = Math.Min(below + 1, Seconds.Count - 1);
        return Seconds[below] + ((position - below) * (Seconds[above] - Seconds[below]));
    }
}
