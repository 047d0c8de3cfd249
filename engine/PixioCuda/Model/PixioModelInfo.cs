using PixioCuda.Cpu;
using PixioCuda.Graph;
using PixioCuda.Hub;
using PixioCuda.Weights;

namespace PixioCuda;

/// <summary>What is known of a model before its weights are read.</summary>
public sealed class PixioModelInfo
{
    private PixioModelInfo(OpenedModel opened)
    {
        Config = opened.Config;
        Name = opened.Source.Description;
        IsRandom = opened.Source.IsRandom;
        TensorCount = opened.Source.Tensors.Count;
        StoredByteCount = opened.Source.Tensors.Values.Sum(tensor => tensor.ByteCount());
        StoredTypes = [.. opened.Source.Tensors.Values.Select(tensor => tensor.DType).Distinct().Order()];
    }

    /// <summary>The encoder's dimensions.</summary>
    public PixioConfig Config { get; }

    /// <summary>Where the weights are: a path, or "random:vitb16@0".</summary>
    public string Name { get; }

    /// <summary>Whether the weights were made from a seed instead of trained.</summary>
    public bool IsRandom { get; }

    /// <summary>The number of tensors that the checkpoint stores; what the encoder does not use is counted too.</summary>
    public int TensorCount { get; }

    /// <summary>The bytes that the tensors take as they are stored; for weights made from a seed, what they would take.</summary>
    public long StoredByteCount { get; }

    /// <summary>The element types that the tensors are stored in, usually one.</summary>
    public IReadOnlyList<DType> StoredTypes { get; }

    /// <summary>Reads a model's config and the headers of its weights, and checks that they belong together.</summary>
    /// <param name="model">As for
    /// <see cref="PixioModel.Load(string, PixioModelOptions?, IProgress{LoadProgress}?, CancellationToken)"/>.</param>
    /// <param name="hub">How a model on the hub is found and downloaded; null for what the environment says.</param>
    /// <param name="cancellationToken">Stops a download.</param>
    /// <exception cref="ModelFormatException">There is no such model, or its config or weights cannot be used.</exception>
    /// <exception cref="HubException">The model is on the hub and cannot be had.</exception>
    public static PixioModelInfo Open(string model, HubOptions? hub = null, CancellationToken cancellationToken = default)
    {
        using OpenedModel opened = ModelReference.Open(model, hub, cancellationToken);
        EncoderWeights.Bind(opened.Source, opened.Config);
        return new PixioModelInfo(opened);
    }

    /// <summary>What a run on the CPU takes, from the same plan that the run follows.</summary>
    /// <param name="shape">Batch and size.</param>
    /// <param name="taps">What is computed.</param>
    /// <param name="threads">How many threads; null for one on every core that the process may use.</param>
    /// <exception cref="ArgumentException">The sides are not multiples of the patch size, a tap does not exist, or the number of threads is
    /// not one that can be used.</exception>
    public MemoryEstimate EstimateMemory(InputShape shape, EncoderTaps taps, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(taps);
        EncoderGraph graph = EncoderGraph.Create(Config, shape, taps);
        CpuMemoryModel memoryModel = new(graph, DeviceChoice.Of(new PixioModelOptions { Device = "cpu", Threads = threads }).Cpu!);
        MemoryPlan plan = MemoryPlan.Create(graph, memoryModel);
        return new MemoryEstimate(
            Config.ParameterCount * sizeof(float), graph.Input.ElementCount * (shape.Pixels == PixelFormat.U8 ? 1 : sizeof(float)), plan.ArenaByteCount,
            graph.OutputLength * sizeof(float), plan.Describe());
    }
}

/// <summary>The memory of a run on the CPU, in bytes.</summary>
/// <param name="WeightByteCount">The weights in float32.</param>
/// <param name="InputByteCount">The pixels.</param>
/// <param name="ArenaByteCount">The intermediate results that are alive together at most.</param>
/// <param name="OutputByteCount">The outputs.</param>
/// <param name="Plan">The memory plan as text: offset, size and lifetime of every intermediate result.</param>
public sealed record MemoryEstimate(long WeightByteCount, long InputByteCount, long ArenaByteCount, long OutputByteCount, string Plan);
