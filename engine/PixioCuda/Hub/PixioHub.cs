namespace PixioCuda.Hub;

/// <summary>Models on the Hugging Face hub, in the cache that Python's huggingface_hub reads and writes too.</summary>
public static class PixioHub
{
    /// <summary>Whether a text names a model on the hub: it has the form <c>owner/name[@revision]</c>, and nothing of that name lies on
    /// the disk, which would be meant instead.</summary>
    /// <exception cref="ModelFormatException">What follows '@' cannot be a revision.</exception>
    public static bool IsHubModel(string model)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(model);
        return !Path.Exists(model) && HubModelName.TryParse(model, out _);
    }

    /// <summary>Finds a model in the cache and downloads what is missing: <c>config.json</c>, <c>preprocessor_config.json</c> where there
    /// is one, and <c>model.safetensors</c> or its shards with their index. Sizes and hashes are checked.</summary>
    /// <param name="model"><c>owner/name</c>, or <c>owner/name@revision</c> with a branch, a tag or a commit.</param>
    /// <param name="options">Address, cache, token; null for what the environment says.</param>
    /// <param name="cancellationToken">Stops the download; what is there of it is used the next time.</param>
    /// <returns>The folder with the model's files.</returns>
    /// <exception cref="HubException">The model is gated or not there, the hub cannot be reached, what it sent is not what it promised, or
    /// the cache does not hold what an offline run needs.</exception>
    /// <exception cref="ModelFormatException"><paramref name="model"/> is no such name, or the index of its shards is not
    /// valid.</exception>
    /// <exception cref="IOException">The disk is full.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static async Task<string> DownloadAsync(
        string model, HubOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(model);
        if (!HubModelName.TryParse(model, out HubModelName? name))
        {
            throw new ModelFormatException(
                $"'{model}' does not name a model on the hub, which has the form owner/name or owner/name@revision.");
        }

        options ??= new HubOptions();
        var settings = HubSettings.Read(options, Environment.GetEnvironmentVariable);
        using HubClient client = new(settings, name, options.Timings);
        return await new HubSnapshot(options, settings, name, client).ResolveAsync(cancellationToken).ConfigureAwait(false);
    }
}
