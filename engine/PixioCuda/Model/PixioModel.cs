using PixioCuda.Graph;

namespace PixioCuda;

/// <summary>A Pixio encoder with its weights, ready to run. Thread-safe: any number of callers may use one model, and each gets the
/// bits that it would get alone. Disposing waits for the run in flight.</summary>
/// <remarks>Source: arXiv 2512.15715; the outputs and their names are those of transformers' <c>PixioModel</c>.</remarks>
public sealed partial class PixioModel : IDisposable
{
    // Plans that the convenience methods keep: a host with a handful of sizes and tap sets never makes one twice.
    private const int KeptPlans = 16;

    private readonly IEncoderBackend _backend;
    private readonly PlanCache _plans = new(KeptPlans);

    /// <summary>The encoder's dimensions.</summary>
    public PixioConfig Config { get; }

    /// <summary>Where the weights came from: a path, or "random:vitb16@0".</summary>
    public string Name { get; }

    /// <summary>Whether the weights were made from a seed. Features of such a model say nothing about a picture.</summary>
    public bool IsRandom { get; }

    /// <summary>The device in words, and why it was taken.</summary>
    public string Device { get; }

    /// <summary>The threads of a model on the CPU; null for one on another device.</summary>
    internal int? CpuThreads => (_backend as Cpu.CpuBackend)?.ThreadCount;

    /// <summary>What it computes in.</summary>
    public PixioPrecision Precision { get; }

    /// <summary>The bytes that the weights take in memory.</summary>
    public long WeightByteCount => _backend.WeightByteCount;

    /// <summary>Prepares a run for an input shape and a set of taps.</summary>
    /// <exception cref="ArgumentException">The sides are not multiples of the patch size (the message names the nearest valid sizes), or a
    /// tap does not exist.</exception>
    public EncoderPlan Plan(InputShape shape, EncoderTaps taps)
    {
        ArgumentNullException.ThrowIfNull(taps);
        EncoderGraph graph = EncoderGraph.Create(Config, shape, taps);
        MemoryPlan memoryPlan = MemoryPlan.Create(graph, _backend.MemoryModelFor(graph));
        return new EncoderPlan(this, taps, graph, memoryPlan, _backend.Compile(graph, memoryPlan));
    }

    /// <summary>Makes memory for the outputs of an input shape and a set of taps, to be filled by <see cref="Run(ReadOnlySpan{float}, EncoderOutputs, CancellationToken)"/>.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Plan"/>.</exception>
    public EncoderOutputs CreateOutputs(InputShape shape, EncoderTaps taps)
    {
        ArgumentNullException.ThrowIfNull(taps);
        return new EncoderOutputs(_plans.GetOrAdd(shape, taps, Plan));
    }

    /// <summary>Runs the encoder into outputs made before.</summary>
    /// <param name="pixels">pixel_values [B, C, H, W], normalised, row-major.</param>
    /// <param name="outputs">From <see cref="CreateOutputs"/> of this model; overwritten.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run; the outputs are then undefined.</param>
    /// <exception cref="ArgumentException">The pixels are not as many as the shape says, or the outputs belong to another model.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public void Run(ReadOnlySpan<float> pixels, EncoderOutputs outputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        Run(pixels, outputs.Plan, outputs.Values, cancellationToken);
    }

    /// <summary>Runs a plan into the caller's memory. Allocates no managed memory.</summary>
    /// <param name="pixels">pixel_values [B, C, H, W], normalised, row-major.</param>
    /// <param name="plan">From <see cref="Plan"/> of this model.</param>
    /// <param name="outputs">All outputs end to end, as <see cref="EncoderPlan.Outputs"/> says.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run; the outputs are then undefined.</param>
    /// <exception cref="ArgumentException">A length is wrong, or the plan belongs to another model.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public void Run(ReadOnlySpan<float> pixels, EncoderPlan plan, Span<float> outputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (!ReferenceEquals(plan.Model, this))
            throw new ArgumentException("This plan was made by another model. Make it with the model that runs it.", nameof(plan));
        if (pixels.Length != plan.InputLength)
        {
            throw new ArgumentException(
                $"A batch of {plan.Shape} with {Config.Channels} channels takes {plan.InputLength} pixel values, but {pixels.Length} were given.", nameof(pixels));
        }

        if (outputs.Length != plan.OutputLength)
        {
            throw new ArgumentException(
                $"The outputs of this plan take {plan.OutputLength} elements, but memory for {outputs.Length} was given.", nameof(outputs));
        }

        plan.Executable.Run(pixels, outputs, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _backend.Dispose();
}
