using System.Text.Json;
using PixioCuda.Weights;

namespace PixioCuda;

/// <summary>Reads and writes <c>config.json</c> as transformers has it.</summary>
public static class PixioConfigJson
{
    // The published configs are about 1 KB; a wrapped model's is a few more. More than this is not a config.
    private const int MaxByteCount = 1 << 20;

    /// <summary>Reads and validates a <c>config.json</c>.</summary>
    /// <exception cref="ModelFormatException">The file is not JSON, or not the config of a Pixio encoder; every violated constraint
    /// has its own sentence in the message.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static PixioConfig Load(string path)
    {
        using FileStream stream = File.OpenRead(path);
        if (stream.Length > MaxByteCount)
            throw new ModelFormatException($"{path} is {stream.Length} bytes long, which no config.json is. Is it the right file?");
        byte[] json = new byte[stream.Length];
        stream.ReadExactly(json);
        return Parse(json, path);
    }

    /// <summary>Parses and validates the text of a <c>config.json</c>.</summary>
    /// <param name="json">UTF-8 text.</param>
    /// <param name="source">What to call it in messages, usually its path.</param>
    /// <exception cref="ModelFormatException">As for <see cref="Load"/>.</exception>
    public static PixioConfig Parse(ReadOnlyMemory<byte> json, string source)
    {
        try
        {
            using JsonDocument document = StrictJson.ParseDocument(json);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new Reader(document.RootElement, source).Read()
                : throw new ModelFormatException($"{source} holds a JSON {document.RootElement.ValueKind}, but a config is an object.");
        }
        catch (JsonException exception)
        {
            throw new ModelFormatException($"{source} is not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>Writes a config in the form that transformers reads.</summary>
    public static void Save(PixioConfig config, string path)
    {
        config.ThrowIfInvalid("The config to be written");
        using FileStream stream = File.Create(path);
        using Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Indented = true });
        Write(config, writer);
    }

    internal static void Write(PixioConfig config, Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("architectures");
        writer.WriteStringValue("PixioModel");
        writer.WriteEndArray();
        writer.WriteString("model_type", "pixio");
        writer.WriteNumber("hidden_size", config.HiddenSize);
        writer.WriteNumber("num_hidden_layers", config.HiddenLayers);
        writer.WriteNumber("num_attention_heads", config.AttentionHeads);
        // transformers types mlp_ratio as an integer; a fraction is written as such only where there is one.
        if (double.IsInteger(config.MlpRatio))
            writer.WriteNumber("mlp_ratio", (int)config.MlpRatio);
        else
            writer.WriteNumber("mlp_ratio", config.MlpRatio);
        writer.WriteString("hidden_act", "gelu");
        writer.WriteNumber("layer_norm_eps", config.LayerNormEps);
        WriteSize("image_size", config.ImageSize);
        WriteSize("patch_size", config.PatchSize);
        writer.WriteNumber("num_channels", config.Channels);
        writer.WriteBoolean("qkv_bias", config.QkvBias);
        writer.WriteNumber("n_cls_tokens", config.ClassTokens);
        writer.WriteBoolean("apply_layernorm", config.ApplyLayerNorm);
        writer.WriteBoolean("reshape_hidden_states", config.ReshapeHiddenStates);
        IReadOnlyList<int> outIndices = config.OutIndices.Count > 0 ? config.OutIndices : [config.HiddenLayers];
        writer.WriteStartArray("out_features");
        foreach (int index in outIndices)
            writer.WriteStringValue(StageNames.NameOf(index));
        writer.WriteEndArray();
        writer.WriteStartArray("out_indices");
        foreach (int index in outIndices)
            writer.WriteNumberValue(index);
        writer.WriteEndArray();
        writer.WriteStartArray("stage_names");
        for (int stage = 0; stage <= config.HiddenLayers; stage++)
            writer.WriteStringValue(StageNames.NameOf(stage));
        writer.WriteEndArray();
        writer.WriteEndObject();

        void WriteSize(string name, ImageSize size)
        {
            if (size.Height == size.Width)
            {
                writer.WriteNumber(name, size.Height);
                return;
            }

            writer.WriteStartArray(name);
            writer.WriteNumberValue(size.Height);
            writer.WriteNumberValue(size.Width);
            writer.WriteEndArray();
        }
    }

    /// <summary>One pass over the JSON object that gathers every complaint before it throws.</summary>
    private sealed class Reader(JsonElement root, string source)
    {
        private readonly List<string> _complaints = [];

        public PixioConfig Read()
        {
            CheckText("model_type", "pixio", "only Pixio encoders can be run");
            CheckText("hidden_act", "gelu", "only the exact (erf) GELU is supported");
            PixioConfig defaults = new();
            int layers = Int("num_hidden_layers", defaults.HiddenLayers);
            PixioConfig config = new()
            {
                HiddenSize = Int("hidden_size", defaults.HiddenSize),
                HiddenLayers = layers,
                AttentionHeads = Int("num_attention_heads", defaults.AttentionHeads),
                MlpRatio = Number("mlp_ratio", defaults.MlpRatio),
                LayerNormEps = (float)Number("layer_norm_eps", defaults.LayerNormEps),
                ImageSize = Size("image_size", defaults.ImageSize),
                PatchSize = Size("patch_size", defaults.PatchSize),
                Channels = Int("num_channels", defaults.Channels),
                ClassTokens = Int("n_cls_tokens", defaults.ClassTokens),
                QkvBias = Bool("qkv_bias", defaults.QkvBias),
                ApplyLayerNorm = Bool("apply_layernorm", defaults.ApplyLayerNorm),
                ReshapeHiddenStates = Bool("reshape_hidden_states", defaults.ReshapeHiddenStates),
                OutIndices = Stages(layers),
            };
            _complaints.AddRange(config.Validate());
            if (_complaints.Count > 0)
                throw new ModelFormatException($"{source} does not describe a Pixio encoder. {string.Join(" ", _complaints)}");
            return config;
        }

        private bool Find(string name, out JsonElement value) =>
            root.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

        private void CheckText(string name, string wanted, string reason)
        {
            if (!Find(name, out JsonElement value))
                return;
            if (value.ValueKind != JsonValueKind.String)
                _complaints.Add($"{name} must be text.");
            else if (value.GetText() is string found && found != wanted)
                _complaints.Add($"{name} is '{found}', but must be '{wanted}': {reason}.");
        }

        private int Int(string name, int missing)
        {
            if (!Find(name, out JsonElement value))
                return missing;
            if (TryInt(value, out int number))
                return number;
            _complaints.Add($"{name} must be a whole number, but is {Shown(value)}.");
            return missing;
        }

        private double Number(string name, double missing)
        {
            if (!Find(name, out JsonElement value))
                return missing;
            if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number))
                return number;
            _complaints.Add($"{name} must be a number, but is {Shown(value)}.");
            return missing;
        }

        private bool Bool(string name, bool missing)
        {
            if (!Find(name, out JsonElement value))
                return missing;
            if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
                return value.GetBoolean();
            _complaints.Add($"{name} must be true or false, but is {Shown(value)}.");
            return missing;
        }

        private ImageSize Size(string name, ImageSize missing)
        {
            if (!Find(name, out JsonElement value))
                return missing;
            if (TryInt(value, out int side))
                return side;
            if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 2
                && TryInt(value[0], out int height) && TryInt(value[1], out int width))
                return new(height, width);
            _complaints.Add($"{name} must be a whole number or a pair [height, width], but is {Shown(value)}.");
            return missing;
        }

        private int[] Stages(int layers)
        {
            int[]? byIndex = Find("out_indices", out JsonElement indices) ? Indices(indices, layers) : null;
            int[]? byName = Find("out_features", out JsonElement names) ? Named(names, layers) : null;
            if (byIndex is not null && byName is not null && !byIndex.SequenceEqual(byName))
                _complaints.Add($"out_features [{string.Join(", ", byName.Select(StageNames.NameOf))}] and out_indices "
                    + $"[{string.Join(", ", byIndex)}] name different stages.");
            return byIndex ?? byName ?? [];
        }

        private int[]? Indices(JsonElement value, int layers)
        {
            if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => TryInt(item, out _)))
                return [.. value.EnumerateArray().Select(item => item.GetInt32()).Select(index => index < 0 ? index + layers + 1 : index)];
            _complaints.Add($"out_indices must be a list of whole numbers, but is {Shown(value)}.");
            return null;
        }

        private int[]? Named(JsonElement value, int layers)
        {
            if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
            {
                _complaints.Add($"out_features must be a list of stage names, but is {Shown(value)}.");
                return null;
            }

            List<int> stages = [];
            foreach (JsonElement item in value.EnumerateArray())
            {
                if (StageNames.TryParse(item.GetText(), layers, out int stage))
                    stages.Add(stage);
                else
                    _complaints.Add(StageNames.Unknown(item.GetText(), layers));
            }

            return [.. stages];
        }

        private static bool TryInt(JsonElement value, out int number)
        {
            number = 0;
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out number);
        }

        private static string Shown(JsonElement value)
        {
            string text = value.GetRawText();
            return text.Length <= 60 ? text : text[..60] + "...";
        }
    }
}
