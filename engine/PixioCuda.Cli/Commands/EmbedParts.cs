using System.Globalization;
using PixioCuda.Cli.Jobs;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio embed --format</c>: a job that writes part after part into a folder, and goes on where it was stopped.</summary>
internal sealed class EmbedParts(EmbedRequest request, JobSettings settings)
{
    private const int DefaultCudaBatch = 32;

    private readonly JobTotals _totals = new();
    private StatusLine? _status;

    public int Run(CancellationToken cancellationToken) => RunAsync(cancellationToken).GetAwaiter().GetResult();

    private async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        if (request.List.Names.Contains(PictureReader.StandardInput))
            throw new UsageException("A job reads its pictures again when it goes on, which standard input (-) does not allow: name a file.");
        if (File.Exists(settings.Folder))
            throw new UsageException($"--output '{settings.Folder}' is a file; of a job it is a folder.");
        Directory.CreateDirectory(settings.Folder);

        using LoadedModel loaded = LoadedModel.Load(
            request.ModelName, request.ModelOptions, request.Messages, withHash: true, cancellationToken);
        PixioModel model = loaded.Model;
        FeatureFormat format = request.Format(model, loaded.Hash);
        UnitPlan plan = new(request.List.Words(), settings.PartSize);
        EmbedJob job = new(settings, format, plan, request.Words) { UnitDone = UnitDone };
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        PicturePipelineOptions options = new()
        {
            Taps = request.Taps,
            BatchSize = request.Batch ?? (model.CudaDevice is null ? 1 : DefaultCudaBatch),
            DecodeWorkers = request.DecodeThreads,
            PreprocessOn = request.PreprocessOn,
            HashContents = true,
        };
        using PicturePipeline pipeline = PicturePipeline.Start(job.Entries(ended.Token), model, options, cancellationToken);
        using (_status = request.Messages.BeginStatus(() => Progress(job.Counts, pipeline.Statistics)))
        {
            // A list on standard input is gone when it has been read.
            if (_status is not null && request.List.IsRepeatable)
                _totals.Begin(plan, settings.Shard, ended.Token);
            try
            {
                await job.WriteAsync(pipeline.ResultsAsync(), request.Finish).ConfigureAwait(false);
            }
            finally
            {
                await ended.CancelAsync().ConfigureAwait(false);
            }
        }

        Report(job.Counts, pipeline);
        return job.Counts.Failed > 0 ? ExitCodes.SomeFailed : ExitCodes.Ok;
    }

    private string Progress(JobCounts counts, PipelineStatistics statistics) =>
        PipelineText.Progress(statistics, counts.Pictures + counts.Failed, counts.Failed, _totals.Estimate());

    private void UnitDone(UnitManifest manifest, JobUnit? tar, bool wasDone)
    {
        if (tar is not null)
            _totals.TarDone(JobTotals.LengthOf(tar), manifest.Rows + manifest.Failures.Count);
        Action print = () => Print(manifest, wasDone);
        if (_status is null)
            print();
        else
            _status.Above(print);
    }

    private void Print(UnitManifest manifest, bool wasDone)
    {
        TextWriter output = request.Console.Out;
        output.WriteLine(request.AsJson
            ? JsonText.Of(json =>
            {
                json.WriteStartObject();
                json.WriteString("unit", manifest.Unit);
                json.WriteString("output", manifest.Outputs[0].File);
                json.WriteNumber("pictures", manifest.Rows);
                json.WriteNumber("failed", manifest.Failures.Count);
                json.WriteBoolean("was_done", wasDone);
                json.WriteEndObject();
            })
            : string.Create(CultureInfo.InvariantCulture,
                $"{manifest.Outputs[0].File}: {manifest.Rows} pictures, {manifest.Failures.Count} failed{(wasDone ? ", done before" : "")}"));
        output.Flush();
    }

    private void Report(JobCounts counts, PicturePipeline pipeline)
    {
        request.Messages.Note(string.Create(CultureInfo.InvariantCulture,
            $"{counts.Pictures} pictures in {counts.Units + counts.SkippedUnits} parts, {counts.SkippedUnits} of them done before; "
            + $"{counts.Failed} pictures could not be used"));
        PipelineStatistics statistics = pipeline.Statistics;
        if (statistics.Succeeded + statistics.Failed > 0)
            request.Messages.Note(PipelineText.Summary(statistics, pipeline.Preprocessing));
    }
}
