using PixioCuda.Imaging;

namespace PixioCuda.Weights;

/// <summary>Writes a model, in whichever layout it is stored, as a Hugging Face folder.</summary>
public static class CheckpointConverter
{
    /// <summary>Writes config.json, preprocessor_config.json and model.safetensors, or shards of at most 5 GB with their index, under
    /// Hugging Face names. Only the encoder is written: a prefix is taken off, and what stands outside of it is left out. Memory stays
    /// bounded, and the files appear in the folder only when all of them are complete.</summary>
    /// <param name="model">As for
    /// <see cref="PixioModel.Load(string, PixioModelOptions?, IProgress{LoadProgress}?, CancellationToken)"/>.</param>
    /// <param name="folder">Where to write; made if it is not there.</param>
    /// <param name="dtype">How the tensors are stored; null for what each is stored as now. Narrower values are rounded to nearest,
    /// ties to even.</param>
    /// <param name="overwrite">Whether a model that is already in the folder may be replaced.</param>
    /// <param name="progress">Told about every block of 4 MB.</param>
    /// <param name="cancellationToken">Stops between blocks; nothing of what was written stays.</param>
    /// <returns>The number of stored tensors that do not belong to the encoder and were left out.</returns>
    /// <exception cref="ModelFormatException">There is no such model, its config or weights cannot be used, or a finite value is too large
    /// for <paramref name="dtype"/>.</exception>
    /// <exception cref="IOException">The folder already holds a model, or cannot be written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static int Convert(
        string model, string folder, DType? dtype = null, bool overwrite = false, IProgress<CheckpointWriteProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        using OpenedModel opened = ModelReference.Open(model, hub: null, cancellationToken);
        return Convert(opened, folder, dtype, CheckpointWriter.DefaultShardBytes, overwrite, progress, cancellationToken);
    }

    /// <summary>As the other one, for an opened model and any length of shards.</summary>
    internal static int Convert(
        OpenedModel opened, string folder, DType? dtype, long shardBytes, bool overwrite,
        IProgress<CheckpointWriteProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var encoder = CheckpointBinding.Bind(opened.Source, HuggingFaceNames.EncoderTensors(opened.Config));
        CheckpointFolder.Write(folder, overwrite, unfinished =>
        {
            CheckpointWriter.SaveFolder(encoder, unfinished, dtype, shardBytes, progress, cancellationToken);
            string processor = Path.Combine(unfinished, CheckpointFolder.ProcessorFile);
            if (opened.ProcessorConfigPath is string path)
                File.WriteAllBytes(processor, PreprocessorConfig.ReadFile(path));
            else
                File.WriteAllText(processor, PreprocessorConfig.Published(opened.Config.ImageSize));
            PixioConfigJson.Save(opened.Config, Path.Combine(unfinished, CheckpointFolder.ConfigFile));
        });
        return opened.Source.Tensors.Count + opened.Source.UnsupportedTensors.Count - encoder.StoredTensorCount;
    }
}
