using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace PixioCuda.Diagnostics;

/// <summary>The names of what a host can listen to. Nobody listening costs nothing: no clock is read and nothing is allocated.</summary>
public static class PixioTelemetry
{
    /// <summary>The name of the <see cref="ActivitySource"/> and of the <see cref="Meter"/>: "PixioCuda". Activities are named
    /// "pixio.embed" (a call of EmbedAsync, from beginning to end) and "pixio.queue", "pixio.decode", "pixio.preprocess", "pixio.copy",
    /// "pixio.forward"; those of a batch link to the calls that share it.</summary>
    public const string Name = "PixioCuda";

    /// <summary>Histogram, seconds: how long a stage took. Tags: <see cref="StageTag"/>, <see cref="ModelTag"/>, <see cref="DeviceTag"/>.
    /// Stages: "queue" (one picture, from ready to the start of its run), "decode" and "preprocess" (one picture), "copy" (pixel values into
    /// a batch's memory) and "forward" (one run, its wait for the device included).</summary>
    public const string StageDuration = "pixio.stage.duration";

    /// <summary>Histogram: the pictures of each run of EmbedAsync.</summary>
    public const string BatchSize = "pixio.batch.size";

    /// <summary>Counter: pictures that went through a run, of EmbedAsync or of Run.</summary>
    public const string Pictures = "pixio.pictures";

    /// <summary>Counter: calls that the full queue has rejected.</summary>
    public const string Rejected = "pixio.queue.rejected";

    /// <summary>Tag: "queue", "decode", "preprocess", "copy" or "forward".</summary>
    public const string StageTag = "pixio.stage";

    /// <summary>Tag: <see cref="PixioModel.Name"/>.</summary>
    public const string ModelTag = "pixio.model";

    /// <summary>Tag: "cpu", "cuda", "cuda:1", as the device was chosen.</summary>
    public const string DeviceTag = "pixio.device";

    private static readonly string Version = typeof(PixioTelemetry).Assembly.GetName().Version!.ToString(3);

    internal static readonly ActivitySource Activities = new(Name, Version);

    internal static readonly Meter Meter = new(Name, Version);

    internal static readonly Histogram<double> StageDurations = Meter.CreateHistogram(
        StageDuration, "s", "How long a stage took.", tags: null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10] });

    internal static readonly Histogram<int> BatchSizes = Meter.CreateHistogram(
        BatchSize, "{picture}", "The pictures of a run.", tags: null,
        new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] });

    internal static readonly Counter<long> PictureCount = Meter.CreateCounter<long>(Pictures, "{picture}", "Pictures that went through a run.");

    internal static readonly Counter<long> RejectedCount = Meter.CreateCounter<long>(Rejected, "{call}", "Calls that the full queue has rejected.");
}
