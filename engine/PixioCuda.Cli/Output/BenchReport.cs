using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using PixioCuda.Cli.Commands;

namespace PixioCuda.Cli.Output;

/// <summary>A measurement in the units that people compare.</summary>
internal sealed class BenchReport(string name, PixioModel model, EncoderPlan plan, double loadSeconds, Measurement measured)
{
    private readonly double _median = measured.Quantile(0.5);
    private readonly long _peakBytes = PeakBytes();

    private double ImagesPerSecond => plan.Shape.Batch / _median;

    private double FlopsPerSecond => model.Config.FlopsPerImage(plan.Shape.Size) * ImagesPerSecond;

    /// <summary>How much of the processor is used; null on a CUDA device.</summary>
    private double? PeakShare => FlopsPerSecond / 1e9 / measured.PeakGflops;

    public (string Name, string Value)[] Facts() =>
    [
        ("model", model.Name),
        ("device", model.Device),
        ("input", $"{plan.Shape} (batch x height x width), {RunStamp.NameOf(model.Precision)}"),
        ("load", Text($"{loadSeconds:F2} s, {model.WeightByteCount:N0} bytes of weights")),
        ("runs", Text($"{measured.Seconds.Count}")),
        ("latency", Text(
            $"{1e3 * _median:F1} ms (10% below {1e3 * measured.Quantile(0.1):F1}, 90% below {1e3 * measured.Quantile(0.9):F1})")),
        ("throughput", Text($"{ImagesPerSecond:F2} images/s")),
        ("compute", PeakShare is double share
            ? Text($"{FlopsPerSecond / 1e9:F1} GFLOP/s, {100 * share:F0}% of the {measured.PeakGflops:F1} GFLOP/s that the processor's FMA units reach here")
            : Text($"{FlopsPerSecond / 1e9:F1} GFLOP/s")),
        ("peak memory", Text($"{_peakBytes:N0} bytes")),
        ("allocated per run", Text($"{measured.AllocatedBytes:N0} bytes")),
    ];

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("model", name);
        json.WriteString("weights", model.Name);
        json.WriteBoolean("random_weights", model.IsRandom);
        json.WriteString("device", model.Device);
        json.WriteString("precision", RunStamp.NameOf(model.Precision));
        json.WriteString("pixio_version", PixioCommandLine.Version);
        json.WritePropertyName("input_shape");
        JsonText.WriteShape(json, [plan.Shape.Batch, model.Config.Channels, plan.Shape.Size.Height, plan.Shape.Size.Width]);
        json.WriteNumber("load_seconds", loadSeconds);
        json.WriteNumber("weight_bytes", model.WeightByteCount);
        json.WriteNumber("runs", measured.Seconds.Count);
        json.WriteNumber("median_seconds", _median);
        json.WriteNumber("p10_seconds", measured.Quantile(0.1));
        json.WriteNumber("p90_seconds", measured.Quantile(0.9));
        json.WriteNumber("images_per_second", ImagesPerSecond);
        json.WriteNumber("gflops_per_second", FlopsPerSecond / 1e9);
        WriteNumberOrNull(json, "peak_gflops_per_second", measured.PeakGflops);
        WriteNumberOrNull(json, "peakShare", PeakShare);
        json.WriteNumber("peak_memory_bytes", _peakBytes);
        json.WriteNumber("allocated_bytes_per_run", measured.AllocatedBytes);
        json.WriteEndObject();
    }

    private static void WriteNumberOrNull(Utf8JsonWriter json, string name, double? value)
    {
        if (value is double number)
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>The most physical memory that this process has had.</summary>
    private static long PeakBytes()
    {
        const string status = "/proc/self/status", label = "VmHWM:";
        if (File.Exists(status)
            && File.ReadLines(status).FirstOrDefault(line => line.StartsWith(label, StringComparison.Ordinal)) is string line
            && long.TryParse(
                line.AsSpan(label.Length).Trim().TrimEnd(" kB"), NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes))
            return 1024 * kilobytes;
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
