using System.Globalization;
using PixioCuda.Imaging;

namespace PixioCuda.Weights;

/// <summary>Writes checkpoint folders with weights made from a seed: what a published checkpoint is in form, for trying and measuring
/// without one. Whatever loads such a folder knows that its weights are random.</summary>
public static class SyntheticCheckpoint
{
    /// <summary>Writes config.json, preprocessor_config.json and model.safetensors, or shards of at most 5 GB with their index. Memory
    /// stays bounded, and the files appear in the folder only when all of them are complete.</summary>
    /// <param name="folder">Where to write; made if it is not there.</param>
    /// <param name="preset">One of <see cref="PixioPresets.Names"/>.</param>
    /// <param name="seed">Another seed gives other weights.</param>
    /// <param name="dtype">How the tensors are stored.</param>
    /// <param name="overwrite">Whether a model that is already in the folder may be replaced.</param>
    /// <param name="progress">Told about every block of 4 MB.</param>
    /// <param name="cancellationToken">Stops between blocks; nothing of what was written stays.</param>
    /// <exception cref="ArgumentException">There is no such preset.</exception>
    /// <exception cref="IOException">The folder already holds a model, or cannot be written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static void Write(
        string folder, string preset, ulong seed = 0, DType dtype = DType.F32, bool overwrite = false,
        IProgress<CheckpointWriteProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        PixioConfig config = PixioPresets.Get(preset);
        string name = string.Create(CultureInfo.InvariantCulture, $"random:{preset}@{seed}");
        Write(folder, name, config, seed, dtype, CheckpointWriter.DefaultShardBytes, overwrite, progress, cancellationToken);
    }

    /// <summary>As the other one, for any config and length of shards.</summary>
    internal static void Write(
        string folder, string name, PixioConfig config, ulong seed, DType dtype, long shardBytes, bool overwrite,
        IProgress<CheckpointWriteProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        config.ThrowIfInvalid("The config to be written");
        CheckpointFolder.Write(folder, overwrite, unfinished =>
        {
            using (var source = SyntheticWeights.Create(name, config, seed))
                CheckpointWriter.SaveFolder(source, unfinished, dtype, shardBytes, progress, cancellationToken);
            File.WriteAllText(Path.Combine(unfinished, CheckpointFolder.ProcessorFile), PreprocessorConfig.Published(config.ImageSize));
            PixioConfigJson.Save(config, Path.Combine(unfinished, CheckpointFolder.ConfigFile));
        });
    }
}
