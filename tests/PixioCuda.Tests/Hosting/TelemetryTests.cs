using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using PixioCuda.Diagnostics;
using PixioCuda.Tests.Model;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>What a host can listen to, by the names that are documented.</summary>
[Collection(nameof(ProcessAlone))]
public class TelemetryTests
{
    [Fact]
    public async Task Every_stage_of_a_call_is_measured_and_traced()
    {
        ConcurrentQueue<(string Instrument, double Value, Dictionary<string, object?> Tags)> measurements = [];
        using MeterListener meters = new();
        meters.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == PixioTelemetry.Name)
                self.EnableMeasurementEvents(instrument);
        };
        meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => measurements.Enqueue((instrument.Name, value, new(tags.ToArray()))));
        meters.SetMeasurementEventCallback<int>((instrument, value, tags, _) => measurements.Enqueue((instrument.Name, value, new(tags.ToArray()))));
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => measurements.Enqueue((instrument.Name, value, new(tags.ToArray()))));
        meters.Start();

        using ActivitySource host = new("the host");
        ConcurrentQueue<Activity> activities = [];
        using ActivityListener traces = new()
        {
            ShouldListenTo = source => source.Name is PixioTelemetry.Name or "the host",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activities.Enqueue,
        };
        ActivitySource.AddActivityListener(traces);

        ActivityTraceId trace;
        using (PixioModel model = SmallModel.Load())
        using (Activity request = host.StartActivity("request")!)
        {
            trace = request.TraceId;
            await model.EmbedAsync(TestData.Path("images", "cat.png")).WaitAsync(TimeSpan.FromSeconds(30));
        }

        string[] stages = ["queue", "decode", "preprocess", "copy", "forward"];
        Assert.Superset(
            new HashSet<string>(stages.Select(stage => $"pixio.{stage}").Append("pixio.embed")),
            activities.Where(activity => activity.TraceId == trace).Select(activity => activity.OperationName).ToHashSet());
        foreach (string stage in stages)
        {
            Assert.Contains(measurements, measurement => measurement.Instrument == "pixio.stage.duration" && measurement.Value >= 0
                && (string?)measurement.Tags["pixio.stage"] == stage && (string?)measurement.Tags["pixio.device"] == "cpu"
                && measurement.Tags["pixio.model"] is string { Length: > 0 });
        }

        Assert.Contains(measurements, measurement => measurement is { Instrument: "pixio.batch.size", Value: 1 });
        Assert.Contains(measurements, measurement => measurement is { Instrument: "pixio.pictures", Value: >= 1 });
    }

    [Fact]
    public void Loading_and_disposing_are_logged()
    {
        using Recorder recorder = new();
        using (PixioModel model = GoldenModels.Load("tiny", new PixioModelOptions { Device = "cpu", LoggerFactory = recorder }))
            Assert.Contains(recorder.Lines, line => line.StartsWith($"Information: Loaded {model.Name} onto cpu", StringComparison.Ordinal));
        Assert.Contains(recorder.Lines, line => line.StartsWith("Debug: Disposed of ", StringComparison.Ordinal));
        Assert.Equal(["PixioCuda"], recorder.Categories);
    }

    [Fact]
    public async Task A_full_queue_is_logged_once_until_it_has_room()
    {
        using Recorder recorder = new();
        using HeldDecoder decoder = new();
        using PixioModel model = GoldenModels.Load("tiny", new PixioModelOptions
        {
            Device = "cpu", LoggerFactory = recorder, Decoder = decoder, Batching = new BatchingOptions { MaxQueued = 1 },
        });
        Task<float[]> held = model.EmbedAsync(new byte[1], "held");
        for (int call = 0; call < 5; call++)
            await Assert.ThrowsAsync<QueueFullException>(() => model.EmbedAsync(new byte[1], "rejected"));
        Assert.Single(recorder.Lines, line => line.StartsWith("Warning: The queue of ", StringComparison.Ordinal));
        decoder.Release();
        await held.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private sealed class Recorder : ILoggerFactory, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public ConcurrentBag<string> Categories { get; } = [];

        public ILogger CreateLogger(string categoryName)
        {
            Categories.Add(categoryName);
            return this;
        }

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue($"{logLevel}: {formatter(state, exception)}");

        public bool IsEnabled(LogLevel logLevel) => true;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}
