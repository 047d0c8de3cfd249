using System.Globalization;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Output;

/// <summary>A pipeline's state in words.</summary>
internal static class PipelineText
{
    /// <summary>"1200 pictures, 3 failed, 41.2 images/s, 0:12:34 left; engine 98%, decode 12%".</summary>
    /// <param name="statistics">Of the pipeline.</param>
    /// <param name="done">Pictures that are done, those of earlier runs included.</param>
    /// <param name="failed">Of them without features.</param>
    /// <param name="total">All there are, where somebody knows.</param>
    public static string Progress(PipelineStatistics statistics, long done, long failed, long? total)
    {
        double rate = Rate(statistics);
        string of = total is long all && all >= done ? string.Create(CultureInfo.InvariantCulture, $" of {all}") : "";
        string left = of.Length > 0 && rate > 0
            ? $", {TimeSpan.FromSeconds(Math.Round((total!.Value - done) / rate)):c} left" : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"{done}{of} pictures, {failed} failed, {rate:F1} images/s{left}; {Stages(statistics)}");
    }

    /// <summary>"41.2 images/s; engine 98%, decode 12%; the limit is engine; preprocessed on the GPU, as asked".</summary>
    /// <param name="statistics">Of the pipeline.</param>
    /// <param name="preprocessing">Where it preprocesses, and why; null where that was not decided.</param>
    public static string Summary(PipelineStatistics statistics, string? preprocessing)
    {
        string summary = string.Create(CultureInfo.InvariantCulture,
            $"{Rate(statistics):F1} images/s; {Stages(statistics)}; the limit is {NameOf(statistics.Limit)}");
        return preprocessing is null ? summary : $"{summary}; preprocessed {preprocessing}";
    }

    /// <summary>The name of a stage.</summary>
    public static string NameOf(PipelineStage stage) =>
        stage == PipelineStage.GpuPreprocess ? "gpu-preprocess" : stage.ToString().ToLowerInvariant();

    private static double Rate(PipelineStatistics statistics) => statistics.Elapsed > TimeSpan.Zero
        ? (statistics.Succeeded + statistics.Failed) / statistics.Elapsed.TotalSeconds : 0;

    private static string Stages(PipelineStatistics statistics) => string.Join(", ", statistics.Stages.Select(share =>
        string.Create(CultureInfo.InvariantCulture, $"{NameOf(share.Stage)} {100 * share.Utilisation:F0}%")));
}
