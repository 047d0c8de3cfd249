namespace PixioCuda.Graph;

/// <summary>Where a tensor's elements live during a run.</summary>
internal enum TensorStorage
{
    /// <summary>The caller's input.</summary>
    Input,

    /// <summary>The arena that the <see cref="MemoryPlan"/> divides.</summary>
    Arena,

    /// <summary>The caller's output, or the arena on backends that cannot write there.</summary>
    Output,
}

/// <summary>A value that flows through the graph. Every tensor is written by exactly one op.</summary>
/// <param name="id">Position in <see cref="EncoderGraph.Tensors"/>.</param>
/// <param name="name">The model's own word for it, for printing.</param>
/// <param name="shape">Dimensions, outermost first.</param>
internal sealed class GraphTensor(int id, string name, params int[] shape)
{
    public int Id { get; } = id;

    public string Name { get; } = name;

    public IReadOnlyList<int> Shape { get; } = shape;

    public TensorStorage Storage { get; set; } = TensorStorage.Arena;

    /// <summary>The size of the last dimension.</summary>
    public int Columns => Shape[^1];

    /// <summary>The product of all dimensions but the last.</summary>
    public int Rows { get; } = Product(shape.AsSpan(0, shape.Length - 1));

    public long ElementCount => (long)Rows * Columns;

    private static int Product(ReadOnlySpan<int> dimensions)
    {
        int product = 1;
        foreach (int dimension in dimensions)
            product = checked(product * dimension);
        return product;
    }

    public override string ToString() => $"{Name} [{string.Join(", ", Shape)}]";
}
