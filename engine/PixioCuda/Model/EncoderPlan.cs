using PixioCuda.Graph;

namespace PixioCuda;

/// <summary>An output of a plan.</summary>
/// <param name="Name">The name in transformers: "last_hidden_state", "pooler_output", "hidden_states.8", "attentions.0", "feature_maps.stage8";
/// or "cls_raw_mean", "cls_concat", "dense_2d".</param>
/// <param name="Shape">Dimensions, outermost (the batch) first.</param>
/// <param name="Offset">Where it begins in the memory that holds all outputs end to end, in elements.</param>
public sealed record EncoderOutputInfo(string Name, IReadOnlyList<int> Shape, long Offset)
{
    /// <summary>The number of elements: the product of <see cref="Shape"/>.</summary>
    public long Length { get; } = Shape.Aggregate(1L, (product, dimension) => product * dimension);
}

/// <summary>A model's work for one input shape and one set of taps, prepared once and run any number of times, from any thread.
/// A run with a plan allocates no managed memory.</summary>
public sealed class EncoderPlan
{
    private readonly EncoderGraph _graph;
    private readonly MemoryPlan _memoryPlan;
    private int _partBatch;

    internal EncoderPlan(PixioModel model, EncoderTaps taps, EncoderGraph graph, MemoryPlan memoryPlan, IEncoderExecutable executable)
    {
        _graph = graph;
        _memoryPlan = memoryPlan;
        Model = model;
        Taps = taps;
        Executable = executable;
        _partBatch = graph.Shape.Batch;
        Outputs = [.. graph.Outputs.Select(output => new EncoderOutputInfo(output.Name, output.Tensor.Shape, output.Offset))];
    }

    /// <summary>The input that the plan takes.</summary>
    public InputShape Shape => _graph.Shape;

    /// <summary>What the plan computes.</summary>
    public EncoderTaps Taps { get; }

    /// <summary>The outputs, in the order in which they lie in the caller's memory.</summary>
    public IReadOnlyList<EncoderOutputInfo> Outputs { get; }

    /// <summary>The elements of the input, float32 or bytes as <see cref="InputShape.Pixels"/> says: B * C * H * W.</summary>
    public long InputLength => _graph.Input.ElementCount;

    /// <summary>The float32 elements of all outputs together.</summary>
    public long OutputLength => _graph.OutputLength;

    /// <summary>The bytes that intermediate results take while the plan runs.</summary>
    public long ArenaByteCount => _memoryPlan.ArenaByteCount;

    internal PixioModel Model { get; }

    /// <summary>The pictures that run together: the batch, or less where it turned out not to fit.</summary>
    internal int PartBatch
    {
        get => Volatile.Read(ref _partBatch);
        set => Volatile.Write(ref _partBatch, value);
    }

    internal IEncoderExecutable Executable { get; }

    /// <summary>The place of an output in <see cref="Outputs"/>.</summary>
    /// <exception cref="ArgumentException">There is none of this name; the message lists those there are.</exception>
    internal int IndexOf(string name)
    {
        for (int index = 0; index < Outputs.Count; index++)
        {
            if (Outputs[index].Name == name)
                return index;
        }

        throw new ArgumentException(
            $"There is no output '{name}' here: this plan computes {string.Join(", ", Outputs.Select(output => output.Name))}.", nameof(name));
    }

    /// <summary>The memory plan as text: offset, size and lifetime of every intermediate result.</summary>
    public string DescribeMemory() => _memoryPlan.Describe();
}
