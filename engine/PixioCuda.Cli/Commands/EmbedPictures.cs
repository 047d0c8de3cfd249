using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio embed</c> without <c>--format</c>: a line for each picture, and one file.</summary>
internal sealed class EmbedPictures(EmbedRequest request)
{
    // A batch gains nothing on the CPU (28 pictures of ViT-B on two cores take 7.4 to 8.0 s, one by one as in fours), and what runs alone
    // is printed sooner.
    private const int DefaultBatch = 1;
    private const int ShownValues = 8;

    private long _pictures;
    private long _failed;

    public int Run(CancellationToken cancellationToken) => RunAsync(cancellationToken).GetAwaiter().GetResult();

    private async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        PicturePipelineOptions options = new()
        {
            Taps = request.Taps,
            BatchSize = request.Batch ?? DefaultBatch,
            DecodeWorkers = request.DecodeThreads,
            PreprocessOn = request.PreprocessOn,
        };
        TaskCompletionSource<PixioModel> loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
        IEnumerable<PictureEntry> pictures = request.List.Words().SelectMany(PictureWords.Resolve).SelectMany(request.Words.Entries);
        // Pictures are read and decoded while the model is loaded.
        using PicturePipeline pipeline = PicturePipeline.Start(
            pictures, loaded.Task, request.ModelOptions, options, tapsFor: null, cancellationToken);
        // Only what is stamped waits for the model's hash.
        using LoadedModel loadedModel = LoadedModel.Beside(
            pipeline, request.ModelName, request.ModelOptions, request.Messages, withHash: request.Output is not null || request.AsJson,
            failFast: request.FailureLimit == 0, cancellationToken);
        PixioModel model = loadedModel.Model;
        // Ends the pipeline before the model, whatever happens.
        using PicturePipeline running = pipeline;
        loaded.SetResult(model);
        FeatureFormat format = request.Format(model, loadedModel.Hash);
        using IFeatureSink? sink = request.Output is string path ? format.Create(path) : null;
        using StatusLine? status = request.List.IsNamedOneByOne || request.Console.OutIsTerminal
            ? null
            : request.Messages.BeginStatus(() =>
                PipelineText.Progress(pipeline.Statistics, _pictures + _failed, _failed, total: null));

        await foreach (PictureResult result in pipeline.ResultsAsync().ConfigureAwait(false))
        {
            if (result.Failure is { } failure)
            {
                Fail(new FailedPicture(result.Entry.Id, Sentences.Of(failure)), failure, sink, format.Stamp);
                continue;
            }

            IReadOnlyList<FeatureTensor> tensors = request.Finish(result.Entry.Id, result.Features);
            sink?.Add(result.Entry.Id, tensors);
            Print(result.Entry.Id, tensors[0], format.Stamp);
            _pictures++;
        }

        sink?.Complete();
        Report(pipeline);
        return _failed > 0 ? ExitCodes.SomeFailed : ExitCodes.Ok;
    }

    private void Fail(FailedPicture picture, Exception failure, IFeatureSink? sink, RunStamp stamp)
    {
        _failed++;
        if (request.FailureLimit == 0)
            ExceptionDispatchInfo.Throw(failure);
        sink?.AddFailure(picture);
        if (request.AsJson)
            request.Console.Out.WriteLine(Encoding.UTF8.GetString(JsonLinesSink.Line(stamp, picture).Span));
        else
            request.Messages.Warn($"{picture.Id}: {picture.Reason}");
        if (_failed > request.FailureLimit)
            throw new InputException($"{_failed} pictures failed, more than the {request.FailureLimit} allowed (--max-failures); the last was {picture.Id}.");
    }

    private void Report(PicturePipeline pipeline)
    {
        if (request.Output is not null)
            request.Messages.Note($"wrote {_pictures} {(_pictures == 1 ? "embedding" : "embeddings")} to {request.Output}");
        if (_failed > 0)
            request.Messages.Note($"{_failed} of {_pictures + _failed} pictures could not be used");
        if (!request.List.IsNamedOneByOne)
            request.Messages.Note(PipelineText.Summary(pipeline.Statistics, pipeline.Preprocessing));
    }

    private void Print(string picture, FeatureTensor embedding, RunStamp stamp)
    {
        TextWriter output = request.Console.Out;
        if (request.AsJson)
        {
            output.WriteLine(Encoding.UTF8.GetString(JsonLinesSink.Line(stamp, picture, embedding).Span));
        }
        else
        {
            ReadOnlySpan<float> values = embedding.Values.Span;
            StringBuilder line = new($"{picture}: [");
            foreach (float value in values[..Math.Min(ShownValues, values.Length)])
                line.Append(CultureInfo.InvariantCulture, $"{value:F5}, ");
            line.Append(values.Length > ShownValues ? "...]" : "]");
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{line} {string.Join('x', embedding.Shape)} numbers, L2 norm {Vectors.Norm(values):G6}"));
        }

        // Whoever reads a pipe sees each picture as soon as it is done.
        output.Flush();
    }
}
