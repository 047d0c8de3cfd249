namespace PixioCuda.Weights;

/// <summary>A tensor of a checkpoint: its name as stored, element type and shape (row-major, outermost dimension first).</summary>
/// <param name="Name">The name as the file has it.</param>
/// <param name="DType">The stored element type.</param>
/// <param name="Shape">The dimensions, outermost first.</param>
public sealed record TensorInfo(string Name, DType DType, IReadOnlyList<long> Shape)
{
    /// <summary>The number of elements: the product of <see cref="Shape"/>.</summary>
    public long ElementCount { get; } = Shape.Aggregate(1L, (product, dimension) => checked(product * dimension));
}
