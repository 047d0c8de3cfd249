using System.Text.Json;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Output;

/// <summary>What every output says of how it was made.</summary>
internal sealed class RunStamp
{
    private readonly List<(string Name, string Value)> _texts;
    private readonly List<(string Name, bool Value)> _facts;

    /// <param name="modelName">What the user calls the model.</param>
    /// <param name="model">The model.</param>
    public RunStamp(string modelName, PixioModel model)
    {
        _texts =
        [
            ("model", modelName),
            ("weights", model.Name),
            ("recipe", model.Recipe.Id),
            ("precision", NameOf(model.Precision)),
            ("pixio_version", PixioCommandLine.Version),
        ];
        // Rounded weights are other weights: who reads the features is to know.
        if (model.WeightsInMemory is DType type)
            _texts.Add(("weights_in_memory", type.ToString()));
        _facts = [("random_weights", model.IsRandom)];
        // So are bits that depend on the batch.
        if (model.IsFast)
            _facts.Add(("fast", true));
    }

    /// <summary>"float32", "bfloat16" or "float16".</summary>
    public static string NameOf(PixioPrecision precision) => precision switch
    {
        PixioPrecision.BF16 => "bfloat16",
        PixioPrecision.FP16 => "float16",
        _ => "float32",
    };

    /// <summary>Adds what only one command has.</summary>
    public RunStamp With(string name, string value)
    {
        _texts.Add((name, value));
        return this;
    }

    /// <inheritdoc cref="With(string, string)"/>
    public RunStamp With(string name, bool value)
    {
        _facts.Add((name, value));
        return this;
    }

    /// <summary>Writes everything as properties of the object that is open.</summary>
    public void Write(Utf8JsonWriter json)
    {
        foreach ((string name, string value) in _texts)
            json.WriteString(name, value);
        foreach ((string name, bool value) in _facts)
            json.WriteBoolean(name, value);
    }

    /// <summary>Everything as strings.</summary>
    public Dictionary<string, string> ToMetadata()
    {
        Dictionary<string, string> metadata = _texts.ToDictionary(text => text.Name, text => text.Value);
        foreach ((string name, bool value) in _facts)
            metadata.Add(name, value ? "true" : "false");
        return metadata;
    }

    /// <summary>Everything as the strings of a safetensors header, with the pictures as JSON.</summary>
    public Dictionary<string, string> ToMetadata(IEnumerable<string> images, IReadOnlyList<FailedPicture> failures)
    {
        Dictionary<string, string> metadata = ToMetadata();
        metadata.Add("images", JsonText.Of(json => JsonText.WriteStrings(json, images)));
        if (failures.Count > 0)
            metadata.Add("failures", JsonText.Of(json => JsonText.WriteFailures(json, failures)));
        return metadata;
    }
}
