using Microsoft.Win32.SafeHandles;
using PixioCuda.Weights.PyTorch;

namespace PixioCuda.Weights;

/// <summary>Finds and opens the weights of a checkpoint.</summary>
internal static class Checkpoint
{
    /// <summary>The weights in one file.</summary>
    public const string SingleFile = "model.safetensors";

    /// <summary>The index of weights in several files.</summary>
    public const string IndexFile = "model.safetensors.index.json";

    private const string IndexSuffix = ".safetensors.index.json";

    private static readonly string[] WeightsSuffixes = [".safetensors", ".pth", ".pt", ".bin"];

    /// <summary>Opens a folder with <see cref="SingleFile"/> or <see cref="IndexFile"/> (the first that is there), or one file by its
    /// path: a safetensors file, an index, or a PyTorch checkpoint. Which of them a file is, its first bytes say.</summary>
    /// <exception cref="ModelFormatException">Nothing is there (the message says what was looked for), or what is there is not
    /// valid.</exception>
    public static ITensorSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            string single = Path.Combine(path, SingleFile);
            string index = Path.Combine(path, IndexFile);
            return File.Exists(single) ? OpenFile(single)
                : File.Exists(index) ? ShardedCheckpoint.Open(index)
                : throw new ModelFormatException(
                    $"The folder '{path}' holds no weights: neither '{SingleFile}' nor '{IndexFile}' is in it.{OtherWeights(path)}");
        }

        if (!File.Exists(path))
        {
            throw new ModelFormatException(
                $"There are no weights at '{path}': it is neither a folder with '{SingleFile}' or '{IndexFile}' nor a file.");
        }

        return path.EndsWith(IndexSuffix, StringComparison.OrdinalIgnoreCase) ? ShardedCheckpoint.Open(path) : OpenFile(path);
    }

    private static ITensorSource OpenFile(string path)
    {
        // Tensors are read nearly from end to end, and the system may read ahead accordingly.
        SafeFileHandle file = File.OpenHandle(
            path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan);
        try
        {
            Span<byte> head = stackalloc byte[WeightsFormat.HeadBytes];
            head = head[..RandomAccess.Read(file, head, 0)];
            if (WeightsFormat.IsZip(head))
                return TorchCheckpoint.Open(file, path);
            WeightsFormat.RefuseForeign(head, path);
        }
        catch (NotSupportedException)
        {
            // A pipe or a device: what reads safetensors files says so.
        }
        catch
        {
            file.Dispose();
            throw;
        }

        file.Dispose();
        return SafetensorsFile.Open(path);
    }

    /// <summary>A file that is not taken unasked, but may be what is meant.</summary>
    private static string OtherWeights(string folder)
    {
        string[] files =
        [
            .. Directory.EnumerateFiles(folder)
                .Where(file => WeightsSuffixes.Contains(Path.GetExtension(file).ToLowerInvariant()))
                .Order(StringComparer.Ordinal),
        ];
        return files.Length == 0 ? "" : $" To take another file, name it: '{files[0]}'.";
    }
}
