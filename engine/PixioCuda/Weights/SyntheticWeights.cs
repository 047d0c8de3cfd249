using System.Runtime.InteropServices;

namespace PixioCuda.Weights;

/// <summary>
/// An encoder's tensors made from a seed: a checkpoint of any size without a file. The values are a function of name, seed and index, so
/// any part of any tensor can be read at any time, on several threads at once.
/// </summary>
internal sealed class SyntheticWeights : ITensorSource
{
    // What a trained ViT shows: a few channels of the residual stream hundreds of times larger than the rest.
    private const string MassiveTensor = "encoder.layer.1.mlp.fc2.weight";
    private const float MassiveFactor = 400f;

    private readonly Dictionary<string, Recipe> _recipes;
    private readonly ulong _seed;
    private readonly bool _massive;

    private SyntheticWeights(string description, IReadOnlyList<TensorInfo> tensors, PixioConfig config, ulong seed, bool massive)
    {
        Description = description;
        Tensors = tensors.ToDictionary(tensor => tensor.Name);
        _recipes = tensors.ToDictionary(
            tensor => tensor.Name,
            tensor => new Recipe(SyntheticValues.HashName(tensor.Name), SyntheticDistribution.Of(tensor.Name, config)));
        _seed = seed;
        _massive = massive;
    }

    public string Description { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    public bool IsRandom => true;

    /// <summary>Describes an encoder's weights; nothing is computed before it is read.</summary>
    /// <param name="description">What to call them in messages, such as "random:vitb16@0".</param>
    /// <param name="config">The encoder.</param>
    /// <param name="seed">Another seed gives other weights.</param>
    /// <param name="massive">Whether two channels (3 and d/2 + 1) of the second block's fc2 are 400 times larger, as in trained
    /// models.</param>
    public static SyntheticWeights Create(string description, PixioConfig config, ulong seed, bool massive = false)
        => new(description, HuggingFaceNames.EncoderTensors(config), config, seed, massive);

    public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!Tensors.TryGetValue(tensor.Name, out TensorInfo? known))
            throw new ArgumentException($"'{Description}' has no tensor {MessageText.Quote(tensor.Name)}.", nameof(tensor));
        TensorRange.Check(known, byteOffset, destination.Length);

        // A range may begin or end inside an element.
        Span<byte> element = stackalloc byte[sizeof(float)];
        (long index, int skipped) = (byteOffset / sizeof(float), (int)(byteOffset % sizeof(float)));
        if (skipped > 0)
        {
            Fill(known, index++, MemoryMarshal.Cast<byte, float>(element));
            int count = Math.Min(sizeof(float) - skipped, destination.Length);
            element.Slice(skipped, count).CopyTo(destination);
            destination = destination[count..];
        }

        int whole = destination.Length / sizeof(float);
        Fill(known, index, MemoryMarshal.Cast<byte, float>(destination));
        destination = destination[(whole * sizeof(float))..];
        if (!destination.IsEmpty)
        {
            Fill(known, index + whole, MemoryMarshal.Cast<byte, float>(element));
            element[..destination.Length].CopyTo(destination);
        }
    }

    public void Dispose()
    {
        // Nothing is held open.
    }

    private void Fill(TensorInfo tensor, long firstIndex, Span<float> destination)
    {
        (ulong nameHash, SyntheticDistribution distribution) = _recipes[tensor.Name];
        SyntheticValues.Fill(nameHash, _seed, firstIndex, distribution, destination);
        if (_massive && tensor.Name == MassiveTensor)
        {
            long hidden = tensor.Shape[0];
            MakeMassive(destination, firstIndex, row: 3, rowLength: tensor.Shape[1]);
            MakeMassive(destination, firstIndex, row: hidden / 2 + 1, rowLength: tensor.Shape[1]);
        }
    }

    private sealed record Recipe(ulong NameHash, SyntheticDistribution Distribution);

    private static void MakeMassive(Span<float> values, long firstIndex, long row, long rowLength)
    {
        long begin = Math.Clamp(row * rowLength - firstIndex, 0, values.Length);
        long end = Math.Clamp((row + 1) * rowLength - firstIndex, 0, values.Length);
        foreach (ref float value in values[(int)begin..(int)end])
            value *= MassiveFactor;
    }
}
