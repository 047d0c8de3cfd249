using System.CommandLine;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio synth</c>: writes a checkpoint folder with random weights.</summary>
internal sealed class SynthCommand
{
    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "synth", "Writes a checkpoint folder with random weights, in form what a published one is.")
    {
        Examples =
        [
            ("pixio synth vitb16 ./random-b", "config.json, preprocessor_config.json and model.safetensors, 0.34 GB"),
            ("pixio synth vit5b16 ./random-5b --dtype bf16 --seed 7", "10.9 GB in shards with an index, in bounded memory"),
        ],
    };

    private readonly Argument<string> _preset = new("PRESET")
    {
        Description = $"The size of the model: {string.Join(", ", PixioPresets.Names)}.",
    };

    private readonly Argument<string> _folder = new("DIR") { Description = "The folder to write; made if it is not there." };
    private readonly Option<long?> _seed = OptionFactory.WholeNumber(
        "--seed", "Another seed gives other weights [default: 0].", 0, long.MaxValue);
    private readonly Option<string> _dtype = OptionFactory.Choice("--dtype", "How the tensors are stored.", "f32", "f32", "f16", "bf16");
    private readonly Option<bool> _force = OptionFactory.Flag("--force", "Replace a model that is already in the folder.");
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print what was written as one JSON document.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private SynthCommand(CommandConsole console)
    {
        _console = console;
        _preset.AcceptOnlyFromAmong([.. PixioPresets.Names]);
        _command.Add(_preset);
        _command.Add(_folder);
        _command.Add(_seed);
        _command.Add(_dtype);
        _command.Add(_force);
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        SynthCommand synth = new(console);
        synth._command.SetAction(parsed => synth.Run(parsed, cancellationToken));
        return synth._command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        string preset = parsed.GetValue(_preset)!, folder = parsed.GetValue(_folder)!;
        if (File.Exists(folder))
            throw new UsageException($"'{folder}' is a file; give a folder.");
        ulong seed = (ulong)(parsed.GetValue(_seed) ?? 0);
        DType dtype = Enum.Parse<DType>(parsed.GetValue(_dtype)!, ignoreCase: true);
        bool force = parsed.GetValue(_force);
        if (!force && File.Exists(Path.Combine(folder, "config.json")))
            throw new UsageException($"The folder '{folder}' already holds a model; --force replaces it.");

        messages.WithProgress($"Writing {preset}", report =>
        {
            SyntheticCheckpoint.Write(
                folder, preset, seed, dtype, force, report is null ? null : new WriteReport(report), cancellationToken);
            return true;
        });
        var info = PixioModelInfo.Open(folder, cancellationToken: cancellationToken);
        messages.WarnOfRandomWeights($"random:{preset}@{seed}");
        _console.Out.WriteLine(parsed.GetValue(_json) ? ToJson(folder, preset, seed, info)
            : $"{folder}: random:{preset}@{seed}, {info.Config.ParameterCount:N0} parameters, {info.StoredByteCount:N0} bytes as {dtype}");
        return ExitCodes.Ok;
    }

    private static string ToJson(string folder, string preset, ulong seed, PixioModelInfo info) => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("output", folder);
        json.WriteString("weights", $"random:{preset}@{seed}");
        json.WriteBoolean("random_weights", info.IsRandom);
        json.WriteNumber("parameters", info.Config.ParameterCount);
        json.WriteNumber("stored_bytes", info.StoredByteCount);
        json.WriteString("dtype", string.Join(',', info.StoredTypes));
        json.WriteString("pixio_version", PixioCommandLine.Version);
        json.WriteEndObject();
    });

    private sealed class WriteReport(Action<double> report) : IProgress<CheckpointWriteProgress>
    {
        public void Report(CheckpointWriteProgress value) => report((double)value.WrittenByteCount / value.TotalByteCount);
    }
}
