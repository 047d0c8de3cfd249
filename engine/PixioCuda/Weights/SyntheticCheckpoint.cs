using System.Globalization;

namespace PixioCuda.Weights;

/// <summary>Writes checkpoint folders with weights made from a seed: what a published checkpoint is in form, for trying and measuring
/// without one. Whatever loads such a folder knows that its weights are random.</summary>
public static class SyntheticCheckpoint
{
    private const string ConfigFile = "config.json";
    private const string ProcessorFile = "preprocessor_config.json";

    /// <summary>Writes config.json, preprocessor_config.json and model.safetensors, or shards of at most 5 GB with their index. Memory stays
    /// bounded, and the files appear in the folder only when all of them are complete.</summary>
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
        IProgress<SyntheticCheckpointProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        PixioConfig config = PixioPresets.Get(preset);
        string name = string.Create(CultureInfo.InvariantCulture, $"random:{preset}@{seed}");
        Write(folder, name, config, seed, dtype, CheckpointWriter.DefaultShardBytes, overwrite, progress, cancellationToken);
    }

    /// <summary>As the other one, for any config and length of shards.</summary>
    internal static void Write(
        string folder, string name, PixioConfig config, ulong seed, DType dtype, long shardBytes, bool overwrite,
        IProgress<SyntheticCheckpointProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        config.ThrowIfInvalid("The config to be written");
        if (!overwrite && ModelFiles(folder).FirstOrDefault() is string present)
            throw new IOException($"The folder '{folder}' already holds a model ({Path.GetFileName(present)}), which is not overwritten unless you ask for it.");

        bool isNew = !Directory.Exists(folder);
        string target = Directory.CreateDirectory(folder).FullName;
        string unfinished = Path.Combine(target, $".synth-{Path.GetRandomFileName()}");
        bool isComplete = false;
        try
        {
            Directory.CreateDirectory(unfinished);
            using (var source = SyntheticWeights.Create(name, config, seed))
                CheckpointWriter.SaveFolder(source, unfinished, dtype, shardBytes, ProgressOf(config, dtype, progress), cancellationToken);
            File.WriteAllText(Path.Combine(unfinished, ProcessorFile), ProcessorConfig(config.ImageSize));
            PixioConfigJson.Save(config, Path.Combine(unfinished, ConfigFile));

            foreach (string old in ModelFiles(target))
                File.Delete(old);
            foreach (string file in ModelFiles(unfinished))
                File.Move(file, Path.Combine(target, Path.GetFileName(file)));
            isComplete = true;
        }
        finally
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
            if (isNew && !isComplete && !Directory.EnumerateFileSystemEntries(target).Any())
                Directory.Delete(target);
        }
    }

    /// <summary>What belongs to a checkpoint in a folder. The config comes last: without it the others are no model yet.</summary>
    private static IEnumerable<string> ModelFiles(string folder) => !Directory.Exists(folder) ? [] :
    [
        .. Directory.EnumerateFiles(folder, "model*.safetensors"),
        .. new[] { Checkpoint.IndexFile, ProcessorFile, ConfigFile }.Select(name => Path.Combine(folder, name)).Where(File.Exists),
    ];

    private static WrittenElements? ProgressOf(PixioConfig config, DType dtype, IProgress<SyntheticCheckpointProgress>? progress) =>
        progress is null ? null : new WrittenElements(progress, config.ParameterCount, dtype.ElementBytes());

    private static string ProcessorConfig(ImageSize size) => string.Create(CultureInfo.InvariantCulture, $$"""
        {
          "do_center_crop": false,
          "do_convert_rgb": true,
          "do_normalize": true,
          "do_rescale": true,
          "do_resize": true,
          "image_mean": [0.485, 0.456, 0.406],
          "image_processor_type": "BitImageProcessor",
          "image_std": [0.229, 0.224, 0.225],
          "resample": 3,
          "rescale_factor": 0.00392156862745098,
          "size": { "height": {{size.Height}}, "width": {{size.Width}} }
        }

        """);

    private sealed class WrittenElements(IProgress<SyntheticCheckpointProgress> progress, long elementCount, int elementBytes) : IProgress<long>
    {
        public void Report(long value) => progress.Report(new SyntheticCheckpointProgress(value * elementBytes, elementCount * elementBytes));
    }
}

/// <summary>How far the writing of a checkpoint is.</summary>
/// <param name="WrittenByteCount">Bytes of weights written.</param>
/// <param name="TotalByteCount">Bytes of weights in all, as stored.</param>
public readonly record struct SyntheticCheckpointProgress(long WrittenByteCount, long TotalByteCount);
