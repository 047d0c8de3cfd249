using System.Buffers;

namespace PixioCuda.Weights;

/// <summary>Writes a tensor source as a Hugging Face model.safetensors.</summary>
internal static class CheckpointWriter
{
    private const int BlockElements = 1 << 20;

    /// <summary>Streams every tensor of a source into one file, which says so where the weights are random.</summary>
    /// <param name="source">Where the tensors come from.</param>
    /// <param name="path">What the file will be called; its folder must exist.</param>
    /// <param name="dtype">How the tensors are stored.</param>
    /// <param name="progress">Told the elements written so far.</param>
    /// <param name="cancellationToken">Stops between blocks; nothing of the file stays.</param>
    public static void Save(
        ITensorSource source, string path, DType dtype, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        Dictionary<string, string> metadata = new() { [SafetensorsMetadata.Format] = SafetensorsMetadata.PyTorch };
        if (source.IsRandom)
            metadata[SafetensorsMetadata.RandomWeights] = source.Description;

        float[] block = ArrayPool<float>.Shared.Rent(BlockElements);
        try
        {
            using SafetensorsWriter writer = SafetensorsWriter.Create(
                path, source.Tensors.Values.Select(tensor => tensor with { DType = dtype }), metadata);
            long written = 0;
            foreach (TensorInfo tensor in source.Tensors.Values)
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
