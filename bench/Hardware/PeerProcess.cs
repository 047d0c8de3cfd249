using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using PixioCuda.Cuda;

namespace PixioCuda.Bench.Hardware;

/// <summary>One model, loaded once, that runs and measures when a line on standard input says so: bench/peers drives it beside another engine in
/// turns, so that both meet the same clocks. It uses the device only between a line and its answer. Each answer is a line of JSON.</summary>
/// <remarks>
/// <list type="bullet">
/// <item><c>run PIXELS OUTPUT</c>: float32 pixel_values [B, C, H, W] from one file; all outputs end to end, float32, into another.</item>
/// <item><c>measure SECONDS</c>: runs from pixels in host memory to outputs in host memory, each timed, behind a fifth of that time of
/// warm-up.</item>
/// <item><c>measure-device RUNS</c>: the captured graph alone, by the device's clock; on a CUDA device only.</item>
/// </list>
/// The first line is written when the model is ready; the end of input ends the process.
/// </remarks>
internal sealed class PeerProcess(PixioModel model, EncoderPlan plan, TextWriter output)
{
    private const int Failed = 1;
    private const int Usage = 2;
    private const int LeastRuns = 3;

    private readonly float[] _pixels = TestPixels(plan.InputLength);
    private readonly float[] _outputs = new float[plan.OutputLength];

    /// <summary>Loads a model and follows what the input says.</summary>
    /// <param name="args"><c>--model DIR [--device cuda] [--precision bf16] [--batch N] [--size HxW] [--outputs pooler]</c>.</param>
    /// <param name="input">The lines.</param>
    /// <param name="output">The answers.</param>
    /// <param name="error">Why it ended.</param>
    /// <returns>The exit code: 0, 1 failed, 2 usage.</returns>
    public static int Run(IReadOnlyList<string> args, TextReader input, TextWriter output, TextWriter error)
    {
        PeerArguments arguments;
        try
        {
            arguments = PeerArguments.Parse(args);
        }
        catch (ArgumentException exception)
        {
            error.WriteLine(exception.Message);
            return Usage;
        }

        try
        {
            long begin = Stopwatch.GetTimestamp();
            using PixioModel model = PixioModel.Load(
                arguments.Model, new PixioModelOptions { Device = arguments.Device, Precision = arguments.Precision });
            double loadSeconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            InputShape shape = new(arguments.Batch, arguments.Size ?? model.Config.ImageSize);
            EncoderPlan plan = model.Plan(shape, new EncoderTaps { LastHiddenState = true, PoolerOutput = arguments.WithPooler });
            PeerProcess peer = new(model, plan, output);
            peer.Answer(new
            {
                ready = true,
                device = model.Device,
                precision = model.Precision.ToString(),
                load_seconds = loadSeconds,
                input_shape = (int[])[shape.Batch, model.Config.Channels, shape.Size.Height, shape.Size.Width],
                outputs = plan.Outputs.Select(info => new { name = info.Name, shape = info.Shape, offset = info.Offset }),
            });
            while (input.ReadLine() is string line)
                peer.Follow(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            return 0;
        }
        catch (Exception exception) when (exception is PixioException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            error.WriteLine(exception.Message);
            return Failed;
        }
    }

    private static float[] TestPixels(long length)
    {
        float[] pixels = new float[length];
        Random random = new(1);
        foreach (ref float pixel in pixels.AsSpan())
            pixel = (random.NextSingle() * 4) - 2;
        return pixels;
    }

    private void Follow(string[] words)
    {
        switch (words)
        {
            case ["run", string pixels, string outputs]:
                RunFile(pixels, outputs);
                Answer(new { done = true });
                break;
            case ["measure", string text] when double.TryParse(text, CultureInfo.InvariantCulture, out double seconds) && seconds > 0:
                Measure(seconds);
                break;
            case ["measure-device", string text] when int.TryParse(text, CultureInfo.InvariantCulture, out int runs) && runs > 0:
                CudaProfile profile = PixioModel.Profile(_pixels, plan, runs, CancellationToken.None);
                Answer(new { median_seconds = profile.GraphSeconds, runs });
                break;
            default:
                throw new ArgumentException(
                    $"'{string.Join(' ', words)}' is none of 'run PIXELS OUTPUT', 'measure SECONDS' and 'measure-device RUNS'.");
        }
    }

    private void RunFile(string pixelFile, string outputFile)
    {
        byte[] bytes = File.ReadAllBytes(pixelFile);
        if (bytes.Length != sizeof(float) * plan.InputLength)
        {
            throw new ArgumentException(
                $"'{pixelFile}' has {bytes.Length} bytes; {plan.InputLength} float32 pixel values take {sizeof(float) * plan.InputLength}.");
        }

        bytes.CopyTo(MemoryMarshal.AsBytes(_pixels.AsSpan()));
        model.Run(_pixels, plan, _outputs);
        File.WriteAllBytes(outputFile, MemoryMarshal.AsBytes(_outputs.AsSpan()));
    }

    private void Measure(double seconds)
    {
        List<double> times = [];
        times.EnsureCapacity(1 << 16);
        _ = RunFor(seconds / 5, times);
        times.Clear();
        double whole = RunFor(seconds, times);
        times.Sort();
        if (_outputs.AsSpan().ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
            throw new PixioException("The outputs hold numbers that are not finite, so that these times mean nothing.");
        Answer(new
        {
            median_seconds = times[times.Count / 2],
            p10_seconds = times[times.Count / 10],
            p90_seconds = times[times.Count * 9 / 10],
            images_per_second = times.Count * plan.Shape.Batch / whole,
            runs = times.Count,
        });
    }

    private double RunFor(double seconds, List<double> times)
    {
        long begin = Stopwatch.GetTimestamp();
        while (times.Count < LeastRuns || Stopwatch.GetElapsedTime(begin).TotalSeconds < seconds)
        {
            long start = Stopwatch.GetTimestamp();
            model.Run(_pixels, plan, _outputs);
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return Stopwatch.GetElapsedTime(begin).TotalSeconds;
    }

    private void Answer<T>(T answer)
    {
        output.WriteLine(JsonSerializer.Serialize(answer));
        output.Flush();
    }
}
