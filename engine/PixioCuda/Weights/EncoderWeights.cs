using PixioCuda.Graph;

namespace PixioCuda.Weights;

/// <summary>An encoder's weights by their place in it, resolved to the tensors of a checkpoint. What the encoder fuses (query, key and
/// value) comes in several tensors, which are stacked along their first dimension.</summary>
internal sealed class EncoderWeights
{
    private readonly CheckpointBinding _binding;

    private EncoderWeights(CheckpointBinding binding) => _binding = binding;

    /// <summary>The encoder's tensors by their Hugging Face names, whatever layout they are stored in.</summary>
    public ITensorSource Source => _binding;

    /// <summary>Finds every weight of a config in a checkpoint.</summary>
    /// <exception cref="ModelFormatException">Tensors are missing, surplus or of other shapes; the message names all of them.</exception>
    public static EncoderWeights Bind(ITensorSource source, PixioConfig config) =>
        new(CheckpointBinding.Bind(source, HuggingFaceNames.EncoderTensors(config)));

    /// <summary>The tensors of a weight, in the order in which they are stacked.</summary>
    public IReadOnlyList<TensorInfo> Parts(WeightKey key) => [.. Names(key).Select(name => _binding.Tensors[name])];

    /// <summary>Reads rows of a weight that is seen as [rows, columns], converted to float32.</summary>
    /// <param name="parts">From <see cref="Parts"/>.</param>
    /// <param name="firstRow">Counted through all parts.</param>
    /// <param name="columns">The elements of a row.</param>
    /// <param name="destination">Filled completely; a whole number of rows.</param>
    public void ReadRows(IReadOnlyList<TensorInfo> parts, long firstRow, int columns, Span<float> destination)
    {
        long element = firstRow * columns;
        foreach (TensorInfo part in parts)
        {
            if (element < part.ElementCount && !destination.IsEmpty)
            {
                int count = (int)Math.Min(part.ElementCount - element, destination.Length);
                Source.ReadFloats(part, element, destination[..count]);
                destination = destination[count..];
                element += count;
            }

            element -= part.ElementCount;
        }

        if (!destination.IsEmpty)
            throw new ArgumentException($"Rows from {firstRow} on reach behind the end of the weight '{parts[0].Name}'.", nameof(destination));
    }

    private static string[] Names(WeightKey key) => key.Role switch
    {
        WeightRole.ClsToken => [HuggingFaceNames.ClsToken],
        WeightRole.PosEmbed => [HuggingFaceNames.PositionEmbeddings],
        WeightRole.PatchWeight => [HuggingFaceNames.PatchWeight],
        WeightRole.PatchBias => [HuggingFaceNames.PatchBias],
        WeightRole.LayerNormWeight => [HuggingFaceNames.LayerNormWeight],
        WeightRole.LayerNormBias => [HuggingFaceNames.LayerNormBias],
        _ => [.. NamesInLayer(key.Role).Select(name => HuggingFaceNames.Layer(key.Layer, name))],
    };

    private static string[] NamesInLayer(WeightRole role) => role switch
    {
        WeightRole.Norm1Weight => [HuggingFaceNames.Norm1Weight],
        WeightRole.Norm1Bias => [HuggingFaceNames.Norm1Bias],
        WeightRole.QkvWeight => [HuggingFaceNames.QueryWeight, HuggingFaceNames.KeyWeight, HuggingFaceNames.ValueWeight],
        WeightRole.QkvBias => [HuggingFaceNames.QueryBias, HuggingFaceNames.KeyBias, HuggingFaceNames.ValueBias],
        WeightRole.ProjWeight => [HuggingFaceNames.ProjWeight],
        WeightRole.ProjBias => [HuggingFaceNames.ProjBias],
        WeightRole.Norm2Weight => [HuggingFaceNames.Norm2Weight],
        WeightRole.Norm2Bias => [HuggingFaceNames.Norm2Bias],
        WeightRole.Fc1Weight => [HuggingFaceNames.Fc1Weight],
        WeightRole.Fc1Bias => [HuggingFaceNames.Fc1Bias],
        WeightRole.Fc2Weight => [HuggingFaceNames.Fc2Weight],
        WeightRole.Fc2Bias => [HuggingFaceNames.Fc2Bias],
        _ => throw new ArgumentOutOfRangeException(nameof(role), role, "This weight does not belong to a block."),
    };
}
