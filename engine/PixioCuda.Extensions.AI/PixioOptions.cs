using Microsoft.Extensions.Options;

namespace PixioCuda.Extensions.AI;

/// <summary>The model that <c>AddPixio</c> puts among a host's services.</summary>
public sealed class PixioOptions
{
    /// <summary>A checkpoint folder or file, <c>owner/name[@revision]</c> on the hub, or <c>random:PRESET[@SEED]</c>: as
    /// <see cref="PixioModel.Load(string, PixioModelOptions?, IProgress{LoadProgress}?, CancellationToken)"/> takes it. Must be set.</summary>
    public string Model { get; set; } = "";

    /// <summary>Device, precision, threads, decoder, recipe, batching. Where it names no logger factory, the host's is used.</summary>
    public PixioModelOptions ModelOptions { get; set; } = new();

    /// <summary>Kind and recipe of the embedding generator.</summary>
    public PixioEmbeddingOptions Embedding { get; set; } = new();

    /// <summary>Told about every 16 MB while the model loads, on the threads that load.</summary>
    public IProgress<LoadProgress>? LoadProgress { get; set; }
}

/// <summary>Finds what is wrong with the options before a model is loaded; every fault at once.</summary>
internal sealed class PixioOptionsValidator : IValidateOptions<PixioOptions>
{
    public ValidateOptionsResult Validate(string? name, PixioOptions options)
    {
        List<string> failures = [];
        if (string.IsNullOrWhiteSpace(options.Model))
            failures.Add($"No model is named: set {nameof(PixioOptions)}.{nameof(PixioOptions.Model)}, for example to \"facebook/pixio-vith16\" or \"random:vitb16\".");
        if (options.ModelOptions is null)
            failures.Add($"{nameof(PixioOptions)}.{nameof(PixioOptions.ModelOptions)} is null.");
        else
            Check(options.ModelOptions.ThrowIfInvalid, failures);
        if (options.Embedding is null)
            failures.Add($"{nameof(PixioOptions)}.{nameof(PixioOptions.Embedding)} is null.");
        else
            Check(() => options.Embedding.Checked(), failures);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private static void Check(Action check, List<string> failures)
    {
        try
        {
            check();
        }
        catch (ArgumentException exception)
        {
            failures.Add(exception.Message);
        }
    }
}
