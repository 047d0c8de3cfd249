using System.CommandLine;
using PixioCuda.Cli.Jobs;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio embed</c>: pictures in, one embedding each out; a few of them, or a job on millions.</summary>
internal sealed class EmbedCommand
{
    private const string Safetensors = ".safetensors";

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new("embed", "Embeds pictures: prints the head of each embedding, or writes them to files.")
    {
        Examples =
        [
            ("pixio embed cat.png --model random:vitb16", "try it without any weights"),
            ("pixio embed *.jpg --model ~/pixio-vith16 --normalize --output photos.npy", "unit vectors for an index of similar pictures"),
            ("pixio embed a.jpg https://example.org/b.jpg --model DIR --json", "one JSON line for each picture, with the whole embedding"),
            ("cat photo.jpg | pixio embed - --model DIR --embedding cls-concat --output photo.jsonl", "from standard input"),
            ("pixio embed *.jpg --model DIR --hidden-states 8,16,24,32 --output photos.safetensors", "with what leaves chosen blocks"),
            ("pixio embed a.jpg --model DIR --embedding dense-2d --resize 512x512 --output dense.npy",
                "one vector for each patch of a larger picture"),
            ("pixio embed photos/ --model DIR --output photos.parquet",
                "a whole folder; pictures that cannot be used are rows with an error"),
            ("pixio embed 'data-{0000..0999}.tar' --model DIR --format npy --output features", "a job: a file for each tar, resumable"),
            ("find /data -name '*.jpg' | pixio embed --list - --model DIR --format parquet --output features --shard auto",
                "a job on a list, one of many workers"),
        ],
    };

    private readonly PictureOptions _pictures;
    private readonly ModelOptions _model;
    private readonly RecipeOptions _recipe;
    private readonly JobOptions _job;
    private readonly Option<string> _embedding = OptionFactory.Choice(
        "--embedding", "What is taken for the embedding.", EmbeddingKinds.NameOf(EmbeddingKind.Pooler), [.. EmbeddingKinds.Names]);

    private readonly Option<bool> _normalize = OptionFactory.Flag(
        "--normalize", "Scale every vector (of dense-2d every patch's) to length 1.");
    private readonly Option<string?> _output = new("--output", "-o")
    {
        Description = "Write the embeddings to a file instead: .npy [N, ...], .safetensors, .parquet or .jsonl; with --format, into a folder.",
        HelpName = "FILE|FOLDER",
    };

    private readonly Option<string> _dtype = OptionFactory.Choice("--dtype", "How files store numbers.", "f32", "f32", "f16");
    private readonly Option<int[]> _hiddenStates = OptionFactory.Numbers(
        "--hidden-states",
        "Also write hidden states, un-normed: 0 enters the first block, k leaves block k; into .safetensors only.",
        "8,16,24,32");

    private readonly Option<long?> _batch = OptionFactory.WholeNumber(
        "--batch", "The most pictures that run together; the results do not depend on it [default: 1, of a job on CUDA 32].", 1, 1024);

    private readonly Option<long?> _decoders = OptionFactory.WholeNumber(
        "--decode-threads", "Threads that read and decode pictures, and resize them on the CPU [default: one on every core].", 1, 1024);

    private readonly PreprocessOption _preprocess;
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print one JSON line for each picture, or for each part of a job.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private EmbedCommand(CommandConsole console)
    {
        _console = console;
        _pictures = new PictureOptions(_command, several: true, withList: true);
        _model = new ModelOptions(_command);
        _command.Add(_embedding);
        _command.Add(_normalize);
        _command.Add(_output);
        _command.Add(_dtype);
        _command.Add(_hiddenStates);
        _recipe = new RecipeOptions(_command, "Resize pictures to this instead, sides multiples of the patch size.");
        _command.Add(_batch);
        _command.Add(_decoders);
        _preprocess = new PreprocessOption(_command);
        _job = new JobOptions(_command);
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
        PictureList list = _pictures.List(parsed, _console);
        string modelName = _model.Name(parsed);
        string? output = parsed.GetValue(_output);
        JobSettings? job = _job.Read(parsed, output);
        EmbeddingKind kind = EmbeddingKinds.Parse(parsed.GetValue(_embedding)!);
        int[] hiddenStates = parsed.GetValue(_hiddenStates) ?? [];
        DType dtype = parsed.GetValue(_dtype) == "f16" ? DType.F16 : DType.F32;
        string? extension = job?.Extension
            ?? (output is null ? null : OutputFile.CheckPath(output, [.. FeatureFormat.Extensions]));
        CheckOutput(extension, kind, hiddenStates, dtype);

        EmbedRequest request = new()
        {
            Console = _console,
            Messages = new Messages(_console, parsed.GetValue(_quiet)),
            List = list,
            Words = new PictureWords(_pictures.Reader(parsed, _console)),
            ModelName = modelName,
            ModelOptions = _recipe.Read(parsed, _model.Read(parsed)),
            Output = output,
            DType = dtype,
            Kind = kind,
            Taps = EncoderTaps.For(kind) with { HiddenStates = hiddenStates },
            Normalize = parsed.GetValue(_normalize),
            Batch = (int?)parsed.GetValue(_batch),
            DecodeThreads = (int?)parsed.GetValue(_decoders),
            PreprocessOn = _preprocess.Read(parsed),
            FailureLimit = job?.FailureLimit ?? _job.FailureLimit(parsed, failFastByDefault: list.IsNamedOneByOne),
            AsJson = parsed.GetValue(_json),
        };
        return job is null
            ? new EmbedPictures(request).Run(cancellationToken)
            : new EmbedParts(request, job).Run(cancellationToken);
    }

    private static void CheckOutput(string? extension, EmbeddingKind kind, int[] hiddenStates, DType dtype)
    {
        if (hiddenStates.Length > 0 && extension != Safetensors)
            throw new UsageException($"--hidden-states are written to {Safetensors} files only: add --output FILE{Safetensors}.");
        if (extension == ".parquet" && kind == EmbeddingKind.Dense2d)
            throw new UsageException("A .parquet file has one vector in each row: write dense-2d to .safetensors, .npy or .jsonl.");
        if (extension is null && dtype == DType.F16)
            throw new UsageException("--dtype says how files store numbers: add --output FILE.");
    }
}
