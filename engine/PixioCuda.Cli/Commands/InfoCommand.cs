using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio info</c>: what a model is and what it costs, without reading its weights.</summary>
internal sealed class InfoCommand
{
    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new("info", "Says what a model is and what a run costs, without reading the weights.")
    {
        Examples =
        [
            ("pixio info ~/pixio-vith16", "config, parameters, bytes, FLOPs"),
            ("pixio info random:vit5b16 --shape 8x512x512 --plan", "the memory of a batch of 8 large pictures, place by place"),
            ("pixio info random:vitb16 --json", "for scripts"),
        ],
    };

    private readonly Argument<string> _model = new("MODEL")
    {
        Description = "A checkpoint folder, a file of weights, OWNER/NAME[@REVISION] on the hub, or random:PRESET[@SEED].",
    };

    private readonly Option<InputShape?> _shape = new("--shape")
    {
        Description = "The input that costs are given for [default: one picture of the model's own size].",
        HelpName = "BxHxW|HxW",
        CustomParser = result =>
        {
            if (ParseShape(result.Tokens[0].Value) is InputShape shape)
                return shape;
            result.AddError($"--shape takes HEIGHTxWIDTH or BATCHxHEIGHTxWIDTH, such as 4x256x256, not '{result.Tokens[0].Value}'.");
            return null;
        },
    };

    private readonly Option<long?> _threads = OptionFactory.WholeNumber(
        "--threads", "Threads of the CPU [default: one on every core].", 1, 1024);
    private readonly Option<bool> _plan = OptionFactory.Flag(
        "--plan", "Also print where every intermediate result lies, and how long it lives.");
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print one JSON document.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private InfoCommand(CommandConsole console)
    {
        _console = console;
        _command.Add(_model);
        _command.Add(_shape);
        _command.Add(_threads);
        _command.Add(_plan);
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        InfoCommand info = new(console);
        info._command.SetAction(parsed => info.Run(parsed, cancellationToken));
        return info._command;
    }

    /// <summary>"4x256x256" or "256x256", or null where it is neither.</summary>
    internal static InputShape? ParseShape(string text)
    {
        int batchEnd = text.Count(character => character is 'x' or 'X') == 2 ? text.IndexOfAny(['x', 'X']) : -1;
        int batch = 1;
        if (batchEnd >= 0
            && (!int.TryParse(text.AsSpan(0, batchEnd), NumberStyles.None, CultureInfo.InvariantCulture, out batch) || batch < 1))
            return null;
        return OptionFactory.ParseSize(text[(batchEnd + 1)..]) is ImageSize size ? new InputShape(batch, size) : null;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        string name = parsed.GetValue(_model)!;
        PixioModelInfo info = ModelOptions.Describe(name, messages, cancellationToken);
        InputShape shape = parsed.GetValue(_shape) ?? new InputShape(1, info.Config.ImageSize);
        MemoryEstimate memory = info.EstimateMemory(shape, EncoderTaps.For(EmbeddingKind.Pooler), (int?)parsed.GetValue(_threads));
        if (info.IsRandom)
            messages.WarnOfRandomWeights(info.Name);
        if (parsed.GetValue(_json))
        {
            _console.Out.WriteLine(JsonText.Of(json => Write(json, name, info, shape, memory, parsed.GetValue(_plan))));
            return ExitCodes.Ok;
        }

        FactTable.Print(_console, Facts(name, info, shape, memory));
        if (parsed.GetValue(_plan))
            _console.Out.Write($"\n{memory.Plan}");
        return ExitCodes.Ok;
    }

    private static (string Name, string Value)[] Facts(string name, PixioModelInfo info, InputShape shape, MemoryEstimate memory)
    {
        PixioConfig config = info.Config;
        FormattableString[] values =
        [
            $"{name}", $"{info.Name}{(info.IsRandom ? " (random)" : "")}", $"{config.ParameterCount:N0}",
            $"{info.StoredByteCount:N0} bytes in {info.TensorCount} tensors ({string.Join(", ", info.StoredTypes)})",
            $"{config.HiddenSize}", $"{config.HiddenLayers}", $"{config.AttentionHeads} of width {config.HeadSize}", $"{config.MlpSize}",
            $"{config.ImageSize}, {config.Channels} channels", $"{config.PatchSize}, grid {config.PositionGrid}", $"{config.ClassTokens}",
            $"{shape} (batch x height x width)", $"{config.GridFor(shape.Size).Area + config.ClassTokens}",
            $"{config.FlopsPerImage(shape.Size) / 1e9:N1} GFLOP",
            $"{memory.WeightByteCount:N0} bytes of weights",
            $"{memory.InputByteCount:N0} bytes of input, {memory.ArenaByteCount:N0} intermediate, {memory.OutputByteCount:N0} of output",
        ];
        string[] names =
        [
            "model", "weights", "parameters", "stored",
            "hidden size", "layers", "heads", "mlp size", "image size", "patch size", "class tokens",
            "input", "tokens per image", "work per image", "memory", "memory of a run",
        ];
        return [.. names.Zip(values, (label, value) => (label, FormattableString.Invariant(value)))];
    }

    private static void Write(Utf8JsonWriter json, string name, PixioModelInfo info, InputShape shape, MemoryEstimate memory, bool withPlan)
    {
        PixioConfig config = info.Config;
        json.WriteStartObject();
        json.WriteString("model", name);
        json.WriteString("weights", info.Name);
        json.WriteBoolean("random_weights", info.IsRandom);
        json.WriteNumber("parameters", config.ParameterCount);
        json.WriteNumber("tensors", info.TensorCount);
        json.WriteNumber("stored_bytes", info.StoredByteCount);
        json.WritePropertyName("stored_types");
        JsonText.WriteStrings(json, info.StoredTypes.Select(type => type.ToString()));

        json.WriteStartObject("config");
        json.WriteNumber("hidden_size", config.HiddenSize);
        json.WriteNumber("num_hidden_layers", config.HiddenLayers);
        json.WriteNumber("num_attention_heads", config.AttentionHeads);
        json.WriteNumber("mlp_ratio", config.MlpRatio);
        json.WriteNumber("layer_norm_eps", config.LayerNormEps);
        json.WritePropertyName("image_size");
        JsonText.WriteShape(json, [config.ImageSize.Height, config.ImageSize.Width]);
        json.WritePropertyName("patch_size");
        JsonText.WriteShape(json, [config.PatchSize.Height, config.PatchSize.Width]);
        json.WriteNumber("num_channels", config.Channels);
        json.WriteNumber("n_cls_tokens", config.ClassTokens);
        json.WriteBoolean("qkv_bias", config.QkvBias);
        json.WriteEndObject();

        json.WritePropertyName("input_shape");
        JsonText.WriteShape(json, [shape.Batch, config.Channels, shape.Size.Height, shape.Size.Width]);
        json.WriteNumber("tokens_per_image", config.GridFor(shape.Size).Area + config.ClassTokens);
        json.WriteNumber("flops_per_image", config.FlopsPerImage(shape.Size));
        json.WriteStartObject("memory_bytes");
        json.WriteNumber("weights", memory.WeightByteCount);
        json.WriteNumber("input", memory.InputByteCount);
        json.WriteNumber("intermediate", memory.ArenaByteCount);
        json.WriteNumber("output", memory.OutputByteCount);
        json.WriteEndObject();
        if (withPlan)
            json.WriteString("plan", memory.Plan);
        json.WriteEndObject();
    }
}
