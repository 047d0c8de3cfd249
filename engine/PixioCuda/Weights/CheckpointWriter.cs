using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace PixioCuda.Weights;

/// <summary>Writes a tensor source as a Hugging Face checkpoint: one model.safetensors, or shards and their index.</summary>
internal static class CheckpointWriter
{
    /// <summary>What the published checkpoints keep a shard below.</summary>
    public const long DefaultShardBytes = 5_000_000_000;

    private const int BlockElements = 1 << 20;

    /// <summary>Streams every tensor of a source into one file, which says so where the weights are random.</summary>
    /// <param name="source">Where the tensors come from.</param>
    /// <param name="path">What the file will be called; its folder must exist.</param>
    /// <param name="dtype">How the tensors are stored.</param>
    /// <param name="progress">Told the elements written so far.</param>
    /// <param name="cancellationToken">Stops between blocks; nothing of the file stays.</param>
    public static void Save(
        ITensorSource source, string path, DType dtype, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
        => SaveTensors(source, [.. source.Tensors.Values], path, dtype, 0, progress, cancellationToken);

    /// <summary>Streams every tensor of a source into a folder: into one file, or, where that would be too long, into shards with an index.</summary>
    /// <param name="source">Where the tensors come from.</param>
    /// <param name="folder">An existing folder.</param>
    /// <param name="dtype">How the tensors are stored.</param>
    /// <param name="shardBytes">What a file's tensors may take together; a tensor that takes more has a shard for itself.</param>
    /// <param name="progress">Told the elements written so far.</param>
    /// <param name="cancellationToken">Stops between blocks; shards that are complete stay, without an index.</param>
    public static void SaveFolder(
        ITensorSource source, string folder, DType dtype, long shardBytes = DefaultShardBytes, IProgress<long>? progress = null,
        CancellationToken cancellationToken = default)
    {
        List<List<TensorInfo>> shards = Split(source, dtype, shardBytes);
        if (shards.Count <= 1)
        {
            Save(source, Path.Combine(folder, Checkpoint.SingleFile), dtype, progress, cancellationToken);
            return;
        }

        long written = 0;
        for (int index = 0; index < shards.Count; index++)
        {
            SaveTensors(source, shards[index], Path.Combine(folder, ShardName(index, shards.Count)), dtype, written, progress, cancellationToken);
            written += shards[index].Sum(tensor => tensor.ElementCount);
        }

        WriteIndex(shards, dtype, Path.Combine(folder, Checkpoint.IndexFile));
    }

    private static List<List<TensorInfo>> Split(ITensorSource source, DType dtype, long shardBytes)
    {
        List<List<TensorInfo>> shards = [];
        long taken = 0;
        foreach (TensorInfo tensor in source.Tensors.Values)
        {
            long byteCount = (tensor with { DType = dtype }).ByteCount();
            if (shards.Count == 0 || taken + byteCount > shardBytes)
            {
                shards.Add([]);
                taken = 0;
            }

            shards[^1].Add(tensor);
            taken += byteCount;
        }

        return shards;
    }

    private static string ShardName(int index, int count) =>
        string.Create(CultureInfo.InvariantCulture, $"model-{index + 1:D5}-of-{count:D5}.safetensors");

    private static void WriteIndex(List<List<TensorInfo>> shards, DType dtype, string path)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", shards.SelectMany(shard => shard).Sum(tensor => (tensor with { DType = dtype }).ByteCount()));
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            for (int index = 0; index < shards.Count; index++)
            {
                foreach (TensorInfo tensor in shards[index])
                    json.WriteString(tensor.Name, ShardName(index, shards.Count));
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        using AtomicFile file = AtomicFile.Create(path, buffer.WrittenCount);
        file.Append(buffer.WrittenSpan);
        file.Commit();
    }

    private static void SaveTensors(
        ITensorSource source, IReadOnlyList<TensorInfo> tensors, string path, DType dtype, long written, IProgress<long>? progress,
        CancellationToken cancellationToken)
    {
        Dictionary<string, string> metadata = new() { [SafetensorsMetadata.Format] = SafetensorsMetadata.PyTorch };
        if (source.IsRandom)
            metadata[SafetensorsMetadata.RandomWeights] = source.Description;

        float[] block = ArrayPool<float>.Shared.Rent(BlockElements);
        try
        {
            using SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors.Select(tensor => tensor with { DType = dtype }), metadata);
            foreach (TensorInfo tensor in tensors)
            {
                for (long first = 0; first < tensor.ElementCount; first += BlockElements)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    Span<float> values = block.AsSpan(0, (int)Math.Min(BlockElements, tensor.ElementCount - first));
                    source.ReadFloats(tensor, first, values);
                    writer.Append(tensor.Name, values);
                    written += values.Length;
                    progress?.Report(written);
                }
            }

            writer.Complete();
        }
        finally
        {
            ArrayPool<float>.Shared.Return(block);
        }
    }
}
