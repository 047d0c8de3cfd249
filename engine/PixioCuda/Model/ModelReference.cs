using System.Globalization;
using PixioCuda.Hub;
using PixioCuda.Weights;

namespace PixioCuda;

/// <summary>What a user means by a model: a checkpoint folder, a file of weights, <c>owner/name[@revision]</c> on the hub, or
/// <c>random:PRESET[@SEED]</c>.</summary>
internal static class ModelReference
{
    private const string RandomPrefix = "random:";

    /// <summary>Reads the config and opens the weights; no weight is read yet.</summary>
    /// <exception cref="ModelFormatException">There is no such model, or it is damaged.</exception>
    /// <exception cref="HubException">It is on the hub and cannot be had.</exception>
    public static OpenedModel Open(string model, HubOptions? hub = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(model);
        if (model.StartsWith(RandomPrefix, StringComparison.Ordinal))
            return OpenRandom(model);
        // Nothing in there comes back to the caller's thread, so that waiting for it cannot lock that thread up.
        if (PixioHub.IsHubModel(model))
            model = PixioHub.DownloadAsync(model, hub, cancellationToken).GetAwaiter().GetResult();
        return OpenCheckpoint(model);
    }

    private static OpenedModel OpenRandom(string model)
    {
        string[] parts = model[RandomPrefix.Length..].Split('@', 2);
        ulong seed = 0;
        if (parts.Length == 2 && !ulong.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out seed))
            throw new ModelFormatException($"'{model}' does not name a model: the seed after '@' must be a whole number, but is '{parts[1]}'.");
        if (!PixioPresets.TryGet(parts[0], out PixioConfig? config))
        {
            throw new ModelFormatException(
                $"'{model}' does not name a model: there is no preset '{parts[0]}'. The presets are {string.Join(", ", PixioPresets.Names)}.");
        }

        string description = string.Create(CultureInfo.InvariantCulture, $"{RandomPrefix}{parts[0]}@{seed}");
        return new OpenedModel(config, SyntheticWeights.Create(description, config, seed), ProcessorConfigPath: null);
    }

    private static OpenedModel OpenCheckpoint(string path)
    {
        if (!Directory.Exists(path) && !File.Exists(path))
        {
            throw new ModelFormatException(
                $"There is no model at '{path}'. Give a checkpoint folder (config.json and model.safetensors), a file of weights "
                + "(.safetensors or .pth), owner/name for a model on the hub, or random:PRESET for random weights, "
                + $"where PRESET is one of {string.Join(", ", PixioPresets.Names)}.");
        }

        bool isFolder = Directory.Exists(path);
        string folder = isFolder ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        string configPath = Path.Combine(folder, CheckpointFolder.ConfigFile);
        bool hasConfig = File.Exists(configPath);
        if (isFolder && !hasConfig)
            throw new ModelFormatException($"There is no config.json in '{folder}': it tells the encoder's size and belongs beside the weights.");
        PixioConfig? config = hasConfig ? PixioConfigJson.Load(configPath) : null;
        string processorPath = Path.Combine(folder, CheckpointFolder.ProcessorFile);
        ITensorSource source = Checkpoint.Open(path);
        try
        {
            return new OpenedModel(config ?? PresetOfShapes.Find(source), source, File.Exists(processorPath) ? processorPath : null);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }
}

/// <summary>A model whose config is read and whose weights can be.</summary>
/// <param name="Config">Valid.</param>
/// <param name="Source">The weights.</param>
/// <param name="ProcessorConfigPath">preprocessor_config.json, where there is one.</param>
internal sealed record OpenedModel(PixioConfig Config, ITensorSource Source, string? ProcessorConfigPath) : IDisposable
{
    public void Dispose() => Source.Dispose();
}
