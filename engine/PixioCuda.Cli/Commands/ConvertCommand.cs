using System.CommandLine;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio convert</c>: writes any model that can be loaded as a Hugging Face folder.</summary>
internal sealed class ConvertCommand
{
    private const string AsStored = "stored";

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "convert", "Writes a model as a checkpoint folder with Hugging Face names, in bounded memory.")
    {
        Examples =
        [
            ("pixio convert pixio_vith16.pth ./pixio-vith16", "from the original repository's file"),
            ("pixio convert ./pixio-vith16 ./pixio-vith16-bf16 --dtype bf16", "half the bytes"),
        ],
    };

    private readonly Argument<string> _model = new("IN") { Description = "The model: as for --model of other commands." };
    private readonly Argument<string> _folder = new("OUT") { Description = "The folder to write; made if it is not there." };
    private readonly Option<string> _dtype = OptionFactory.Choice(
        "--dtype", "How the tensors are stored; stored leaves each as it is.", AsStored, AsStored, "f32", "f16", "bf16");
    private readonly Option<bool> _force = OptionFactory.Flag("--force", "Replace a model that is already in the folder.");
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print what was written as one JSON document.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private ConvertCommand(CommandConsole console)
    {
        _console = console;
        _command.Add(_model);
        _command.Add(_folder);
        _command.Add(_dtype);
        _command.Add(_force);
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        ConvertCommand convert = new(console);
        convert._command.SetAction(parsed => convert.Run(parsed, cancellationToken));
        return convert._command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        string model = parsed.GetValue(_model)!, folder = parsed.GetValue(_folder)!, dtypeName = parsed.GetValue(_dtype)!;
        if (File.Exists(folder))
            throw new UsageException($"'{folder}' is a file; give a folder.");
        DType? dtype = dtypeName == AsStored ? null : Enum.Parse<DType>(dtypeName, ignoreCase: true);
        bool force = parsed.GetValue(_force);
        if (!force && File.Exists(Path.Combine(folder, "config.json")))
            throw new UsageException($"The folder '{folder}' already holds a model; --force replaces it.");

        // What cannot be read is told as the model's fault, what cannot be written as a failure.
        ModelOptions.Describe(model, messages, cancellationToken);
        int leftOut = messages.WithProgress($"Converting {model}", report => CheckpointConverter.Convert(
            model, folder, dtype, force, report is null ? null : new WriteReport(report), cancellationToken));
        PixioModelInfo written = ModelOptions.Describe(folder, messages, cancellationToken);
        if (leftOut > 0)
            messages.Note($"{leftOut} {(leftOut == 1 ? "tensor" : "tensors")} outside of the encoder left out");
        if (written.IsRandom)
            messages.WarnOfRandomWeights(model);
        string types = string.Join(", ", written.StoredTypes);
        _console.Out.WriteLine(parsed.GetValue(_json) ? ToJson(model, folder, written, leftOut)
            : $"{folder}: {written.Config.ParameterCount:N0} parameters, {written.StoredByteCount:N0} bytes as {types}");
        return ExitCodes.Ok;
    }

    private static string ToJson(string model, string folder, PixioModelInfo written, int leftOut) => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("model", model);
        json.WriteString("output", folder);
        json.WriteBoolean("random_weights", written.IsRandom);
        json.WriteNumber("parameters", written.Config.ParameterCount);
        json.WriteNumber("tensors", written.TensorCount);
        json.WriteNumber("tensors_left_out", leftOut);
        json.WriteNumber("stored_bytes", written.StoredByteCount);
        json.WriteString("dtype", string.Join(',', written.StoredTypes));
        json.WriteString("pixio_version", PixioCommandLine.Version);
        json.WriteEndObject();
    });

    private sealed class WriteReport(Action<double> report) : IProgress<CheckpointWriteProgress>
    {
        public void Report(CheckpointWriteProgress value) => report((double)value.WrittenByteCount / value.TotalByteCount);
    }
}
