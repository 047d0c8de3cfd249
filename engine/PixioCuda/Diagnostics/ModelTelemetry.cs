using System.Diagnostics;
using PixioCuda.Batching;

namespace PixioCuda.Diagnostics;

/// <summary>What is timed.</summary>
internal enum PixioStage
{
    Queue,
    Decode,
    Preprocess,
    Copy,
    Forward,
}

/// <summary>What one model reports. Without a listener its methods do nothing and allocate nothing.</summary>
internal sealed class ModelTelemetry(string model, string device)
{
    private static readonly string[] StageNames = ["queue", "decode", "preprocess", "copy", "forward"];
    private static readonly string[] ActivityNames = [.. StageNames.Select(name => $"pixio.{name}")];

    private readonly KeyValuePair<string, object?> _model = new(PixioTelemetry.ModelTag, model);
    private readonly KeyValuePair<string, object?> _device = new(PixioTelemetry.DeviceTag, device);

    /// <summary>The activity of a whole call.</summary>
    public Activity? StartEmbed()
    {
        Activity? activity = PixioTelemetry.Activities.StartActivity("pixio.embed");
        Describe(activity);
        return activity;
    }

    /// <summary>Times a stage until what is returned is disposed of.</summary>
    public StageTimer Time(PixioStage stage) => new(this, stage, PixioTelemetry.Activities.StartActivity(ActivityNames[(int)stage]));

    /// <summary>Times a stage of a batch, linked to the calls that share it.</summary>
    public StageTimer Time(PixioStage stage, EmbedRequest[] requests)
    {
        if (!PixioTelemetry.Activities.HasListeners())
            return new StageTimer(this, stage, null);
        // Of one call, it is a part; of several, none of them is its parent.
        ActivityLink[] links = requests.Length == 1 ? [] : [.. requests.Select(request => new ActivityLink(request.Context))];
        Activity? activity = PixioTelemetry.Activities.StartActivity(
            ActivityKind.Internal, requests.Length == 1 ? requests[0].Context : default, tags: null, links, startTime: default, ActivityNames[(int)stage]);
        return new StageTimer(this, stage, activity);
    }

    /// <summary>A request has left the queue for its run.</summary>
    public void RecordQueued(EmbedRequest request)
    {
        TimeSpan waited = Stopwatch.GetElapsedTime(request.ReadyTimestamp);
        Record(PixioStage.Queue, waited);
        if (!PixioTelemetry.Activities.HasListeners())
            return;
        using Activity? activity = PixioTelemetry.Activities.StartActivity(
            ActivityKind.Internal, request.Context, tags: null, links: null, DateTimeOffset.UtcNow - waited, ActivityNames[(int)PixioStage.Queue]);
        Describe(activity);
    }

    public void CountBatch(int size)
    {
        if (PixioTelemetry.BatchSizes.Enabled)
            PixioTelemetry.BatchSizes.Record(size, _model, _device);
        CountPictures(size);
    }

    public void CountPictures(int count)
    {
        if (PixioTelemetry.PictureCount.Enabled)
            PixioTelemetry.PictureCount.Add(count, _model, _device);
    }

    public void CountRejected()
    {
        if (PixioTelemetry.RejectedCount.Enabled)
            PixioTelemetry.RejectedCount.Add(1, _model, _device);
    }

    private void Record(PixioStage stage, TimeSpan duration)
    {
        if (PixioTelemetry.StageDurations.Enabled)
            PixioTelemetry.StageDurations.Record(duration.TotalSeconds, new(PixioTelemetry.StageTag, StageNames[(int)stage]), _model, _device);
    }

    private void Describe(Activity? activity) => activity?.SetTag(_model.Key, _model.Value).SetTag(_device.Key, _device.Value);

    /// <summary>A stage that is under way.</summary>
    public readonly ref struct StageTimer
    {
        private readonly ModelTelemetry _telemetry;
        private readonly PixioStage _stage;
        private readonly Activity? _activity;
        private readonly long _start;

        public StageTimer(ModelTelemetry telemetry, PixioStage stage, Activity? activity)
        {
            _telemetry = telemetry;
            _stage = stage;
            _activity = activity;
            telemetry.Describe(activity);
            _start = PixioTelemetry.StageDurations.Enabled ? Stopwatch.GetTimestamp() : 0;
        }

        public void Dispose()
        {
            if (_start != 0)
                _telemetry.Record(_stage, Stopwatch.GetElapsedTime(_start));
            _activity?.Dispose();
        }
    }
}
