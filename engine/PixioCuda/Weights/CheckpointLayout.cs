namespace PixioCuda.Weights;

/// <summary>A tensor as a checkpoint stores it, and the encoder's tensors that it holds, stacked along the first dimension.</summary>
/// <param name="Stored">The stored tensor under the layout's name for it.</param>
/// <param name="Parts">The encoder's tensors; one, unless the layout fuses some.</param>
internal sealed record StackedTensor(TensorInfo Stored, IReadOnlyList<TensorInfo> Parts);

/// <summary>How a family of checkpoints names, and fuses, an encoder's tensors.</summary>
/// <param name="Tensors">Everything that such a checkpoint holds of the encoder.</param>
/// <param name="Spelling">What makes one spelling of all.</param>
internal sealed record CheckpointLayout(IReadOnlyList<StackedTensor> Tensors, CheckpointLayout.NameSpelling Spelling)
{
    /// <summary>Gives a stored name (without a model's prefix) in the spelling of <see cref="Tensors"/>.</summary>
    public delegate string NameSpelling(ReadOnlySpan<char> storedName);

    /// <summary>The names of <see cref="Tensors"/>.</summary>
    public IReadOnlySet<string> Names { get; } = Tensors.Select(tensor => tensor.Stored.Name).ToHashSet();

    /// <summary>The layouts that an encoder's tensors can have, the most usual first.</summary>
    /// <param name="encoder">The encoder's tensors by their Hugging Face names.</param>
    public static CheckpointLayout[] Of(IReadOnlyList<TensorInfo> encoder) =>
    [
        new([.. encoder.Select(tensor => new StackedTensor(tensor, [tensor]))], HuggingFaceNames.Canonical),
        new(OriginalNames.Stack(encoder), static name => name.ToString()),
    ];
}
