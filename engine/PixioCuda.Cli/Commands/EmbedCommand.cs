using System.CommandLine;
using System.Globalization;
using System.Text;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio embed</c>: pictures in, one embedding each out.</summary>
internal sealed class EmbedCommand
{
    // Where the throughput of the CPU backend stops growing with the batch.
    private const int DefaultBatch = 4;
    private const int ShownValues = 8;
    private const string Safetensors = ".safetensors";

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new("embed", "Embeds pictures: prints the head of each embedding, or writes them to a file.")
    {
        Examples =
        [
            ("pixio embed cat.png --model random:vitb16", "try it without any weights"),
            ("pixio embed *.jpg --model ~/pixio-vith16 --normalize --output photos.npy", "unit vectors for an index of similar pictures"),
            ("pixio embed a.jpg https://example.org/b.jpg --model DIR --json", "one JSON line for each picture, with the whole embedding"),
            ("cat photo.jpg | pixio embed - --model DIR --embedding cls-concat --output photo.jsonl", "from standard input"),
            ("pixio embed *.jpg --model DIR --hidden-states 8,16,24,32 --output photos.safetensors", "with what leaves chosen blocks"),
            ("pixio embed a.jpg --model DIR --embedding dense-2d --resize 512x512 --output dense.npy", "one vector for each patch of a larger picture"),
        ],
    };

    private readonly PictureOptions _pictures;
    private readonly ModelOptions _model;
    private readonly RecipeOptions _recipe;
    private readonly Option<string> _embedding = OptionFactory.Choice(
        "--embedding", "What is taken for the embedding.", EmbeddingKinds.NameOf(EmbeddingKind.Pooler), [.. EmbeddingKinds.Names]);

    private readonly Option<bool> _normalize = OptionFactory.Flag("--normalize", "Scale every vector (of dense-2d every patch's) to length 1.");
    private readonly Option<string?> _output = new("--output", "-o")
    {
        Description = "Write the embeddings to a file instead: .npy [N, ...], .safetensors, or .jsonl.",
        HelpName = "FILE",
    };

    private readonly Option<int[]> _hiddenStates = OptionFactory.Numbers(
        "--hidden-states", "Also write hidden states, un-normed: 0 enters the first block, k leaves block k; into .safetensors only.", "8,16,24,32");

    private readonly Option<long?> _batch = OptionFactory.WholeNumber(
        "--batch", $"The most pictures that run together; the results do not depend on it [default: {DefaultBatch}].", 1, 1024);

    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print one JSON line for each picture, with the whole embedding.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private EmbedCommand(CommandConsole console)
    {
        _console = console;
        _pictures = new PictureOptions(_command, several: true);
        _model = new ModelOptions(_command);
        _command.Add(_embedding);
        _command.Add(_normalize);
        _command.Add(_output);
        _command.Add(_hiddenStates);
        _recipe = new RecipeOptions(_command, "Resize pictures to this instead, sides multiples of the patch size.");
        _command.Add(_batch);
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        EmbedCommand embed = new(console);
        embed._command.SetAction(parsed => embed.Run(parsed, cancellationToken));
        return embed._command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        string[] names = _pictures.Names(parsed);
        string modelName = _model.Name(parsed);
        string? output = parsed.GetValue(_output);
        string? extension = output is null ? null : OutputFile.CheckPath(output, ".npy", Safetensors, ".jsonl");
        int[] hiddenStates = parsed.GetValue(_hiddenStates) ?? [];
        if (hiddenStates.Length > 0 && extension != Safetensors)
            throw new UsageException($"--hidden-states are written to {Safetensors} files only: add --output FILE{Safetensors}.");
        EmbeddingKind kind = EmbeddingKinds.Parse(parsed.GetValue(_embedding)!);
        EncoderTaps taps = EncoderTaps.For(kind) with { HiddenStates = hiddenStates };
        PixioModelOptions options = _recipe.Read(parsed, _model.Read(parsed));
        int batch = (int)(parsed.GetValue(_batch) ?? DefaultBatch);

        using PicturePipeline pipeline = new(_pictures.Reader(parsed, _console), names, options, 2 * batch, cancellationToken);
        using PixioModel model = pipeline.Beside(stop => ModelOptions.Load(modelName, options, messages, stop));
        pipeline.Attach(model);
        RunStamp stamp = new RunStamp(modelName, model)
            .With("embedding_kind", EmbeddingKinds.NameOf(kind)).With("normalized", parsed.GetValue(_normalize));
        using IFeatureSink? sink = extension switch
        {
            null => null,
            ".npy" => new NpySink(output!, names, stamp),
            Safetensors => new SafetensorsSink(output!, names, stamp),
            _ => new JsonLinesSink(output!, stamp),
        };

        PictureEncoder encoder = new(model, shape => model.CreateOutputs(shape, taps));
        foreach ((string picture, IReadOnlyList<FeatureTensor> tensors) in encoder.Encode(pipeline, batch, cancellationToken))
        {
            FeatureTensor embedding = Finish(picture, tensors.First(tensor => tensor.Name == EmbeddingKinds.OutputOf(kind)), parsed.GetValue(_normalize));
            sink?.Add(picture, [embedding, .. tensors.Where(tensor => tensor.Name != EmbeddingKinds.OutputOf(kind))]);
            Print(picture, embedding, stamp, parsed.GetValue(_json));
        }

        sink?.Complete();
        if (output is not null)
            messages.Note($"wrote {names.Length} {(names.Length == 1 ? "embedding" : "embeddings")} to {output}");
        return ExitCodes.Ok;
    }

    private static FeatureTensor Finish(string picture, FeatureTensor embedding, bool normalize)
    {
        if (!Vectors.AreFinite(embedding.Values.Span))
            throw new FailedException($"The embedding of {picture} holds numbers that are not finite: the weights of this model are damaged.");
        return embedding with
        {
            Name = "embeddings",
            Values = normalize ? Vectors.Normalized(embedding.Values.Span, embedding.Shape[^1]) : embedding.Values,
        };
    }

    private void Print(string picture, FeatureTensor embedding, RunStamp stamp, bool asJson)
    {
        if (asJson)
        {
            _console.Out.WriteLine(Encoding.UTF8.GetString(JsonLinesSink.Line(stamp, picture, embedding).Span));
        }
        else
        {
            ReadOnlySpan<float> values = embedding.Values.Span;
            StringBuilder line = new($"{picture}: [");
            foreach (float value in values[..Math.Min(ShownValues, values.Length)])
                line.Append(CultureInfo.InvariantCulture, $"{value:F5}, ");
            line.Append(values.Length > ShownValues ? "...]" : "]");
            _console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{line} {string.Join('x', embedding.Shape)} numbers, L2 norm {Vectors.Norm(values):G6}"));
        }

        // Whoever reads a pipe sees each picture as soon as it is done.
        _console.Out.Flush();
    }
}
