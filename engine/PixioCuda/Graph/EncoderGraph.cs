namespace PixioCuda.Graph;

/// <summary>An output of the graph and where it lies in the caller's memory, which holds all outputs end to end.</summary>
/// <param name="Name">The name in transformers, for example "hidden_states.8".</param>
/// <param name="Tensor">The tensor that is the output.</param>
/// <param name="Offset">In elements from the beginning of the caller's memory.</param>
internal sealed record GraphOutput(string Name, GraphTensor Tensor, long Offset);

/// <summary>What one run computes: typed ops on typed tensors, in the order of execution, for one input shape and one set of taps.
/// Built by <see cref="EncoderGraphBuilder"/>, shared unchanged by every backend.</summary>
internal sealed class EncoderGraph(
    PixioConfig config, InputShape shape, EncoderTaps taps, GraphTensor input, IReadOnlyList<GraphTensor> tensors, IReadOnlyList<GraphOp> ops,
    IReadOnlyList<GraphOutput> outputs)
{
    public PixioConfig Config { get; } = config;

    public InputShape Shape { get; } = shape;

    /// <summary>What is asked for.</summary>
    public EncoderTaps Taps { get; } = taps;

    /// <summary>pixel_values [B, C, H, W].</summary>
    public GraphTensor Input { get; } = input;

    /// <summary>Every tensor by its id; those that fusion took away have no op left that writes them.</summary>
    public IReadOnlyList<GraphTensor> Tensors { get; } = tensors;

    public IReadOnlyList<GraphOp> Ops { get; } = ops;

    public IReadOnlyList<GraphOutput> Outputs { get; } = outputs;

    /// <summary>The number of float32 elements of all outputs together.</summary>
    public long OutputLength => Outputs.Count == 0 ? 0 : Outputs[^1].Offset + Outputs[^1].Tensor.ElementCount;

    public EncoderGraph WithOps(IReadOnlyList<GraphOp> ops) => new(Config, Shape, Taps, Input, Tensors, ops, Outputs);

    /// <summary>The graph with other ops, some of them on tensors of their own, whose ids follow those of the others.</summary>
    public EncoderGraph WithOps(IReadOnlyList<GraphOp> ops, IEnumerable<GraphTensor> added)
        => new(Config, Shape, Taps, Input, [.. Tensors, .. added], ops, Outputs);

    /// <summary>Builds, prunes and fuses the graph of a run.</summary>
    /// <exception cref="ArgumentException">The shape does not fit the patch size, or a tap does not exist.</exception>
    public static EncoderGraph Create(PixioConfig config, InputShape shape, EncoderTaps taps) =>
        GraphFusion.Fuse(GraphPruning.Prune(EncoderGraphBuilder.Build(config, shape, taps)));
}
