using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using PixioCuda.Cuda;
using PixioCuda.Interop;

namespace PixioCuda.Cli.Output;

/// <summary>The launches of a run, with their times where they were measured.</summary>
internal sealed partial class ProfileReport(
    string name, PixioModel model, EncoderPlan plan, CudaRoofline roofline, IReadOnlyList<CudaLaunch> launches, CudaProfile? profile)
{
    private const string RooflineSource = "clocks, bus width and multiprocessors that the driver reports";

    public void Print(CommandConsole console)
    {
        FactTable.Print(console, Facts());
        console.Out.WriteLine();
        (string[] head, IEnumerable<string[]> rows) = profile is null
            ? (["launch", "grid", "block", "shared bytes", "registers", "MB", "GFLOP", "kernel"], launches.Select(PlanRow))
            : (new[] { "what", "launches", "us", "of run", "GB/s", "TFLOP/s", "of roofline", "kernel" }, TimeRows(profile));
        TextTable.Print(console.Out, head, rows, lastIsText: true);
        if (profile is null)
            Waves.Print(console.Out);
    }

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
        json.WriteNumber("arena_bytes", plan.ArenaByteCount);
        json.WriteStartObject("roofline");
        json.WriteString("source", RooflineSource);
        json.WriteNumber("bytes_per_second", roofline.BytesPerSecond);
        json.WriteNumber("tensor_flops_per_second", roofline.TensorFlops);
        json.WriteNumber("float32_flops_per_second", roofline.Float32Flops);
        json.WriteEndObject();
        if (profile is not null)
        {
            json.WriteNumber("runs", profile.RunCount);
            json.WriteNumber("sum_seconds", profile.Seconds.Sum());
            json.WriteNumber("graph_seconds", profile.GraphSeconds);
        }

        json.WriteStartArray("launches");
        for (int i = 0; i < launches.Count; i++)
        {
            json.WriteStartObject();
            Write(json, launches[i]);
            if (profile is not null)
            {
                json.WriteNumber("seconds", profile.Seconds[i]);
                if (roofline.SecondsOf(launches[i]) is double least && profile.Seconds[i] > 0)
                    json.WriteNumber("roofline_share", least / profile.Seconds[i]);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (profile is null)
            Waves.Write(json);
        json.WriteEndObject();
    }

    /// <summary>One run as a Chrome trace: its launches end to end, each as long as its median.</summary>
    public void WriteTrace(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteStartArray("traceEvents");
        double start = 0;
        for (int i = 0; i < launches.Count; i++)
        {
            double microseconds = 1e6 * profile!.Seconds[i];
            json.WriteStartObject();
            json.WriteString("name", launches[i].Output);
            json.WriteString("cat", launches[i].Entry);
            json.WriteString("ph", "X");
            json.WriteNumber("ts", start);
            json.WriteNumber("dur", microseconds);
            json.WriteNumber("pid", 0);
            json.WriteNumber("tid", 0);
            json.WriteStartObject("args");
            Write(json, launches[i]);
            json.WriteEndObject();
            json.WriteEndObject();
            start += microseconds;
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, CudaLaunch launch)
    {
        json.WriteString("output", launch.Output);
        json.WriteString("kernel", launch.Kernel);
        Write(json, "grid", launch.Grid);
        Write(json, "block", launch.Block);
        json.WriteNumber("shared_bytes", launch.SharedBytes);
        json.WriteNumber("registers", launch.Registers);
        json.WriteNumber("dram_bytes", launch.Work.DramBytes);
        json.WriteNumber("flops", launch.Work.Flops);
        json.WriteBoolean("tensor_cores", launch.UsesTensorCores);
    }

    private static void Write(Utf8JsonWriter json, string property, Dim3 extent)
    {
        json.WriteStartArray(property);
        json.WriteNumberValue(extent.X);
        json.WriteNumberValue(extent.Y);
        json.WriteNumberValue(extent.Z);
        json.WriteEndArray();
    }

    private (string Name, string Value)[] Facts()
    {
        List<(string Name, string Value)> facts =
        [
            ("model", model.Name),
            ("device", model.Device),
            ("input", $"{plan.Shape} (batch x height x width), {RunStamp.NameOf(model.Precision)}"),
            ("launches", Text($"{launches.Count}")),
        ];
        if (profile is not null)
        {
            facts.Add(("runs", Text($"{profile.RunCount}")));
            facts.Add(("one by one", Text($"{1e3 * profile.Seconds.Sum():F3} ms, the sum of the launches' medians")));
            facts.Add(("as a graph", Text($"{1e3 * profile.GraphSeconds:F3} ms, as a model runs, copies left out")));
        }

        facts.Add(("roofline", launches.All(launch => roofline.SecondsOf(launch) is null)
            ? "not known for this device"
            : Text($"{roofline.BytesPerSecond / 1e9:F0} GB/s, {roofline.TensorFlops / 1e12:F0} TFLOP/s on tensor cores, ")
                + Text($"{roofline.Float32Flops / 1e12:F1} in float32: by the {RooflineSource}")));
        return [.. facts];
    }

    private WaveTable Waves => new(launches, model.CudaLimits!, model.CudaDevice!.ClockKHz, model.IsFast);

    private static string[] PlanRow(CudaLaunch launch) =>
    [
        launch.Output, $"{launch.Grid}", $"{launch.Block}", Text($"{launch.SharedBytes:N0}"), Text($"{launch.Registers}"),
        Text($"{launch.Work.DramBytes / 1e6:F3}"), Text($"{launch.Work.Flops / 1e9:F3}"), launch.Kernel,
    ];

    /// <summary>A row for what all layers do alike, the longest first.</summary>
    private IEnumerable<string[]> TimeRows(CudaProfile measured)
    {
        double total = measured.Seconds.Sum();
        return launches.Zip(measured.Seconds, (launch, seconds) => (Launch: launch, Seconds: seconds))
            .GroupBy(timed => (What: LayerNumber().Replace(timed.Launch.Output, "*"), timed.Launch.Kernel))
            .Select(group => (group.Key, Timed: group.ToArray(), Seconds: group.Sum(timed => timed.Seconds)))
            .OrderByDescending(row => row.Seconds)
            .Select(row => new[]
            {
                row.Key.What, Text($"{row.Timed.Length}"), Text($"{1e6 * row.Seconds:F1}"), Share(row.Seconds, total),
                Rate(row.Timed.Sum(timed => timed.Launch.Work.DramBytes) / 1e9, row.Seconds),
                Rate(row.Timed.Sum(timed => timed.Launch.Work.Flops) / 1e12, row.Seconds),
                Share(row.Timed.Sum(timed => roofline.SecondsOf(timed.Launch) ?? 0), row.Seconds), row.Key.Kernel,
            });
    }

    private static string Rate(double amount, double seconds) => amount > 0 && seconds > 0 ? Text($"{amount / seconds:F1}") : "-";

    private static string Share(double part, double whole) => part > 0 && whole > 0 ? Text($"{100 * part / whole:F1}%") : "-";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"(?<=\.)\d+(?=\.|$)")]
    private static partial Regex LayerNumber();
}
