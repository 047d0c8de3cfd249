namespace PixioCuda.Cli.Output;

/// <summary>Features of one picture.</summary>
/// <param name="Name">What they are called in files.</param>
/// <param name="Shape">Dimensions, outermost first, without the batch.</param>
/// <param name="Values">Row-major; valid until the next picture.</param>
internal sealed record FeatureTensor(string Name, IReadOnlyList<int> Shape, ReadOnlyMemory<float> Values);

/// <summary>Where the features of pictures go, one picture after the other. Nothing appears under an output's name before
/// <see cref="Complete"/>.</summary>
internal interface IFeatureSink : IDisposable
{
    /// <summary>Takes a picture's features; every picture has the same tensors.</summary>
    void Add(string picture, IReadOnlyList<FeatureTensor> tensors);

    /// <summary>Writes what is left and gives the output its name.</summary>
    void Complete();
}

/// <summary>What stacks of pictures demand.</summary>
internal static class Stack
{
    /// <exception cref="InputException">A picture's features have another shape than those before it.</exception>
    public static void RequireSameShape(string picture, FeatureTensor tensor, IReadOnlyList<int> first)
    {
        if (!tensor.Shape.SequenceEqual(first))
        {
            throw new InputException($"The features of {picture} have the shape {JsonText.Shape(tensor.Shape)}, those before it "
                + $"{JsonText.Shape(first)}: they cannot be stacked in one array. Bring the pictures to one size with --resize, or embed them into a .jsonl file.");
        }
    }
}
