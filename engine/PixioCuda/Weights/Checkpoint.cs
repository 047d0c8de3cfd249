namespace PixioCuda.Weights;

/// <summary>Finds and opens the weights of a checkpoint.</summary>
internal static class Checkpoint
{
    /// <summary>The weights in one file.</summary>
    public const string SingleFile = "model.safetensors";

    /// <summary>The index of weights in several files.</summary>
    public const string IndexFile = "model.safetensors.index.json";

    private const string IndexSuffix = ".safetensors.index.json";

    /// <summary>Opens a folder with <see cref="SingleFile"/> or <see cref="IndexFile"/> (the first that is there), or one such file by
    /// its path.</summary>
    /// <exception cref="ModelFormatException">Nothing is there (the message says what was looked for), or what is there is not
    /// valid.</exception>
    public static ITensorSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            string single = Path.Combine(path, SingleFile);
            string index = Path.Combine(path, IndexFile);
            return File.Exists(single) ? SafetensorsFile.Open(single)
                : File.Exists(index) ? ShardedCheckpoint.Open(index)
                : throw new ModelFormatException(
                    $"The folder '{path}' holds no weights: neither '{SingleFile}' nor '{IndexFile}' is in it.");
        }

        if (!File.Exists(path))
        {
            throw new ModelFormatException(
                $"There are no weights at '{path}': it is neither a folder with '{SingleFile}' or '{IndexFile}' nor a file.");
        }

        return path.EndsWith(IndexSuffix, StringComparison.OrdinalIgnoreCase) ? ShardedCheckpoint.Open(path) : SafetensorsFile.Open(path);
    }
}
