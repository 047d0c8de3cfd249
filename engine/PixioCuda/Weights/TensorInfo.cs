namespace PixioCuda.Weights;

/// <summary>A tensor of a checkpoint: its name as stored, element type and shape (row-major, outermost dimension first).</summary>
/// <param name="Name">The name as the file has it.</param>
/// <param name="DType">The stored element type.</param>
/// <param name="Shape">The dimensions, outermost first.</param>
public sealed record TensorInfo(string Name, DType DType, IReadOnlyList<long> Shape)
{
    /// <summary>The number of elements: the product of <see cref="Shape"/>.</summary>
    public long ElementCount { get; } = Product(Shape);

    private static long Product(IReadOnlyList<long> dimensions)
    {
        long product = 1;
        for (int i = 0; i < dimensions.Count; i++)
            product = checked(product * dimensions[i]);
        return product;
    }
}
