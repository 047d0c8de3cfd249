using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace PixioCuda.Weights;

/// <summary>Writes a tensor source as a Hugging Face checkpoint: one model.safetensors, or shards and their index. Memory is a few blocks,
/// whatever the checkpoint's size.</summary>
internal static class CheckpointWriter
{
    /// <summary>What the published checkpoints keep a shard below.</summary>
    public const long DefaultShardBytes = 5_000_000_000;

    /// <summary>Streams every tensor of a source into one file, which says so where the weights are random.</summary>
    /// <param name="source">Where the tensors come from.</param>
    /// <param name="path">What the file will be called; its folder must exist.</param>
    /// <param name="dtype">How the tensors are stored; null for what each is stored as in the source.</param>
    /// <param name="progress">Told about every block.</param>
    /// <param name="cancellationToken">Stops between blocks; nothing of the file stays.</param>
    /// <exception cref="ModelFormatException">A finite value is too large for the type.</exception>
    public static void Save(
        ITensorSource source, string path, DType? dtype, IProgress<CheckpointWriteProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        TensorInfo[] tensors = Typed(source, dtype);
        SaveTensors(source, tensors, path, new Report(progress, tensors), cancellationToken);
    }

    /// <summary>Streams every tensor of a source into a folder: into one file, or, where that would be too long, into shards
    /// with an index.</summary>
    /// <param name="source">Where the tensors come from.</param>
    /// <param name="folder">An existing folder.</param>
    /// <param name="dtype">How the tensors are stored; null for what each is stored as in the source.</param>
    /// <param name="shardBytes">What a file's tensors may take together; a tensor that takes more has a shard for itself.</param>
    /// <param name="progress">Told about every block.</param>
    /// <param name="cancellationToken">Stops between blocks; shards that are complete stay, without an index.</param>
    /// <exception cref="ModelFormatException">A finite value is too large for the type.</exception>
    public static void SaveFolder(
        ITensorSource source, string folder, DType? dtype, long shardBytes = DefaultShardBytes,
        IProgress<CheckpointWriteProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        TensorInfo[] tensors = Typed(source, dtype);
        Report report = new(progress, tensors);
        List<List<TensorInfo>> shards = Split(tensors, shardBytes);
        if (shards.Count <= 1)
        {
            SaveTensors(source, tensors, Path.Combine(folder, Checkpoint.SingleFile), report, cancellationToken);
            return;
        }

        for (int index = 0; index < shards.Count; index++)
            SaveTensors(source, shards[index], Path.Combine(folder, ShardName(index, shards.Count)), report, cancellationToken);
        WriteIndex(shards, Path.Combine(folder, Checkpoint.IndexFile));
    }

    private static TensorInfo[] Typed(ITensorSource source, DType? dtype) =>
        [.. source.Tensors.Values.Select(tensor => tensor with { DType = dtype ?? tensor.DType })];

    private static List<List<TensorInfo>> Split(TensorInfo[] tensors, long shardBytes)
    {
        List<List<TensorInfo>> shards = [];
        long taken = 0;
        foreach (TensorInfo tensor in tensors)
        {
            if (shards.Count == 0 || taken + tensor.ByteCount() > shardBytes)
            {
                shards.Add([]);
                taken = 0;
            }

            shards[^1].Add(tensor);
            taken += tensor.ByteCount();
        }

        return shards;
    }

    private static string ShardName(int index, int count) =>
        string.Create(CultureInfo.InvariantCulture, $"model-{index + 1:D5}-of-{count:D5}.safetensors");

    private static void WriteIndex(List<List<TensorInfo>> shards, string path)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", shards.SelectMany(shard => shard).Sum(tensor => tensor.ByteCount()));
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
        ITensorSource source, IReadOnlyList<TensorInfo> tensors, string path, Report report, CancellationToken cancellationToken)
    {
        Dictionary<string, string> metadata = new() { [SafetensorsMetadata.Format] = SafetensorsMetadata.PyTorch };
        if (source.IsRandom)
            metadata[SafetensorsMetadata.RandomWeights] = source.Description;
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors, metadata);
        foreach (TensorBlock block in TensorBlocks.Read(source, tensors, cancellationToken))
        {
            writer.AppendStored(block.Tensor.Name, block.Bytes.Span);
            report.Add(block.Bytes.Length);
        }

        writer.Complete();
    }

    private sealed class Report(IProgress<CheckpointWriteProgress>? progress, TensorInfo[] tensors)
    {
        private readonly long _total = tensors.Sum(tensor => tensor.ByteCount());
        private long _written;

        public void Add(int byteCount)
        {
            _written += byteCount;
            progress?.Report(new CheckpointWriteProgress(_written, _total));
        }
    }
}
