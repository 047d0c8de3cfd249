using PixioCuda.Weights;

namespace PixioCuda.Cli.Output;

/// <summary>Features of one picture.</summary>
/// <param name="Name">What they are called in files.</param>
/// <param name="Shape">Dimensions, outermost first, without the batch.</param>
/// <param name="Values">Row-major; valid until the next picture.</param>
internal sealed record FeatureTensor(string Name, IReadOnlyList<int> Shape, ReadOnlyMemory<float> Values);

/// <summary>A picture that could not be used.</summary>
/// <param name="Id">What it is called.</param>
/// <param name="Reason">Why, in a sentence.</param>
internal sealed record FailedPicture(string Id, string Reason);

/// <summary>Where the features of pictures go, one picture after the other. Nothing appears under an output's name before
/// <see cref="Complete"/>.</summary>
internal interface IFeatureSink : IDisposable
{
    /// <summary>Takes a picture's features; every picture has the same tensors.</summary>
    void Add(string picture, IReadOnlyList<FeatureTensor> tensors);

    /// <summary>Takes note of a picture that has none.</summary>
    void AddFailure(FailedPicture failure);

    /// <summary>Writes what is left and gives the output its name.</summary>
    void Complete();
}

/// <summary>What is written, and how.</summary>
/// <param name="Stamp">How it was made.</param>
/// <param name="DType">How features are stored: F32 or F16.</param>
/// <param name="Rows">The features of one picture without their values, where the recipe alone decides their shapes: what an output says
/// that no picture came to.</param>
internal sealed record FeatureFormat(RunStamp Stamp, DType DType, IReadOnlyList<FeatureTensor> Rows)
{
    /// <summary>The endings of the files that there are sinks for.</summary>
    public static IReadOnlyList<string> Extensions { get; } = [".npy", ".safetensors", ".parquet", ".jsonl"];

    /// <summary>Begins an output.</summary>
    /// <param name="path">The file; its ending says of which kind.</param>
    public IFeatureSink Create(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".npy" => new NpySink(path, this),
        ".safetensors" => new SafetensorsSink(path, this),
        ".parquet" => new ParquetSink(path, this),
        ".jsonl" => new JsonLinesSink(path, this),
        string other => throw new ArgumentException($"There is no output of the kind '{other}'.", nameof(path)),
    };

    /// <summary>The files that an output consists of, itself first.</summary>
    public static IReadOnlyList<string> FilesOf(string path) =>
        Path.GetExtension(path).Equals(".npy", StringComparison.OrdinalIgnoreCase) ? [path, NpySink.DescriptionOf(path)] : [path];

    /// <summary>Checks that values can be stored.</summary>
    /// <exception cref="FailedException">A finite value is too large for half precision.</exception>
    public void RequireRange(string picture, FeatureTensor tensor)
    {
        if (DType == DType.F16 && Vectors.IndexBeyondHalf(tensor.Values.Span) is int index and >= 0)
        {
            throw new FailedException(
                $"The features of {picture} hold {tensor.Values.Span[index]}, which float16 cannot hold: write them with --dtype f32.");
        }
    }
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
                + $"{JsonText.Shape(first)}: they cannot be stacked in one array. "
                + "Bring the pictures to one size with --resize, or embed them into a .jsonl file.");
        }
    }
}
