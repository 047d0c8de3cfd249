namespace PixioCuda.Pipeline;

/// <summary>The stages that a picture goes through.</summary>
public enum PipelineStage
{
    /// <summary>Folders are listed, tar files read.</summary>
    Source,

    /// <summary>Picture files are read.</summary>
    Read,

    /// <summary>Pictures are decoded.</summary>
    Decode,

    /// <summary>Pictures are resized and normalised on the CPU, or the weights computed by which a GPU is to do it.</summary>
    Preprocess,

    /// <summary>Pictures are brought to a GPU and resized and normalised there: the host's copying, and its waiting for copies that are
    /// under way. Only where a GPU does it.</summary>
    GpuPreprocess,

    /// <summary>The encoder runs.</summary>
    Engine,

    /// <summary>The consumer of the results works, for example writes them.</summary>
    Write,
}

/// <summary>How busy a stage was.</summary>
/// <param name="Stage">Which one.</param>
/// <param name="Busy">The time that its threads worked, waiting left out, summed over the threads.</param>
/// <param name="Workers">How many threads it has; reading, decoding and preprocessing share theirs.</param>
/// <param name="Utilisation">The share of its threads' time that it was busy, 0 to 1.</param>
public sealed record StageShare(PipelineStage Stage, TimeSpan Busy, int Workers, double Utilisation);

/// <summary>What a pipeline has done so far.</summary>
/// <param name="Elapsed">Since it began, or since its model was there if that was later.</param>
/// <param name="Succeeded">Pictures whose features were handed out.</param>
/// <param name="Failed">Pictures whose failure was handed out.</param>
/// <param name="EncodedByteCount">The bytes of all picture files that were read.</param>
/// <param name="Stages">Every stage that there is, in the order in which pictures go through them.</param>
public sealed record PipelineStatistics(
    TimeSpan Elapsed, long Succeeded, long Failed, long EncodedByteCount, IReadOnlyList<StageShare> Stages)
{
    /// <summary>The group of threads that is busiest, by its busiest stage: what limits the others.</summary>
    public PipelineStage Limit
    {
        get
        {
            StageShare[] workers = [.. Stages.Where(share => IsOfWorkers(share.Stage))];
            StageShare busiestOfWorkers = workers.MaxBy(share => share.Utilisation)!;
            StageShare busiest = Stages.Where(share => !IsOfWorkers(share.Stage)).MaxBy(share => share.Utilisation)!;
            return workers.Sum(share => share.Utilisation) > busiest.Utilisation ? busiestOfWorkers.Stage : busiest.Stage;
        }
    }

    internal static bool IsOfWorkers(PipelineStage stage) =>
        stage is PipelineStage.Read or PipelineStage.Decode or PipelineStage.Preprocess;
}
