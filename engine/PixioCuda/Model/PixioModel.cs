using PixioCuda.Batching;
using PixioCuda.Diagnostics;
using PixioCuda.Graph;
using PixioCuda.Imaging;

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

    /// <summary>What was asked for as the type of the weights in the CPU's memory; null where nothing was.</summary>
    internal Weights.DType? WeightsInMemory => _options.WeightsInMemory;

    /// <summary>Whether bits may depend on the batch because the options ask for it and the device has such a way.</summary>
    internal bool IsFast => _backend is Cuda.CudaBackend { IsFast: true };

    /// <summary>What it computes in.</summary>
    public PixioPrecision Precision { get; }

    /// <summary>The bytes that the weights take in memory.</summary>
    public long WeightByteCount => _backend.WeightByteCount;

    /// <summary>Prepares a run for an input shape and a set of taps.</summary>
    /// <exception cref="ArgumentException">The sides are not multiples of the patch size (the message names the nearest valid sizes), a tap
    /// does not exist, or bytes are announced to a model that does not take the three channels of a picture.</exception>
    public EncoderPlan Plan(InputShape shape, EncoderTaps taps)
    {
        ArgumentNullException.ThrowIfNull(taps);
        if (shape.Pixels == PixelFormat.U8 && Config.Channels != PixelScale.ChannelCount)
        {
            throw new ArgumentException(
                $"Bytes are pictures of {PixelScale.ChannelCount} channels, and this model takes {Config.Channels}; give it float32 pixel values.", nameof(shape));
        }

        EncoderGraph graph = _backend.Lower(EncoderGraph.Create(Config, shape, taps));
        MemoryPlan memoryPlan = MemoryPlan.Create(graph, _backend.MemoryModelFor(graph));
        return new EncoderPlan(this, taps, graph, memoryPlan, _backend.Compile(graph, memoryPlan));
    }

    /// <summary>Makes memory for the outputs of an input shape and a set of taps, to be filled by <see cref="Run(EncoderInput, EncoderOutputs, CancellationToken)"/>.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Plan"/>.</exception>
    public EncoderOutputs CreateOutputs(InputShape shape, EncoderTaps taps)
    {
        ArgumentNullException.ThrowIfNull(taps);
        return new EncoderOutputs(_plans.GetOrAdd(shape, taps, Plan));
    }

    /// <summary>Makes memory for one caller: pixel values and outputs of an input shape and a set of taps, used again by every run.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Plan"/>.</exception>
    public PixioSession CreateSession(InputShape shape, EncoderTaps taps) => new(this, CreateOutputs(shape, taps));

    /// <summary>Does whatever only the first run of a shape and a set of taps does: prepares the plan that <see cref="CreateOutputs"/> will
    /// give, compiles or fetches its kernels, takes the memory of every session, and runs once on zeros.</summary>
    /// <param name="shape">Batch, size and type of the pixels.</param>
    /// <param name="taps">What will be computed.</param>
    /// <param name="onDevice">On CUDA: for runs with input in device memory and <see cref="DeviceOutputs"/>, rather than from and to the
    /// host's.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="ArgumentException">As for <see cref="Plan"/>.</exception>
    /// <exception cref="DeviceMemoryException">The device has too little memory; the message says how many pictures fit.</exception>
    /// <exception cref="PixioException">There is too little memory, or the device fails.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public void Warmup(InputShape shape, EncoderTaps taps, bool onDevice = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(taps);
        Warmup(_plans.GetOrAdd(shape, taps, Plan), onDevice, cancellationToken);
    }

    /// <summary>Does whatever only the first run of a plan does: takes the memory of every session, and runs once on zeros.</summary>
    /// <param name="plan">From <see cref="Plan"/> of this model.</param>
    /// <param name="onDevice">As for <see cref="Warmup(InputShape, EncoderTaps, bool, CancellationToken)"/>.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="ArgumentException">The plan belongs to another model.</exception>
    /// <exception cref="DeviceMemoryException">The device has too little memory; the message says how many pictures fit.</exception>
    /// <exception cref="PixioException">There is too little memory, or the device fails.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public void Warmup(EncoderPlan plan, bool onDevice = false, CancellationToken cancellationToken = default)
    {
        CheckPlan(plan);
        plan.Executable.Warmup(onDevice, cancellationToken);
    }

    /// <summary>Runs the encoder into outputs made before.</summary>
    /// <param name="pixels">pixel_values [B, C, H, W], normalised, row-major; bytes [B, H, W, 3] where the shape says so; in the host's memory,
    /// or in that of the model's CUDA device.</param>
    /// <param name="outputs">From <see cref="CreateOutputs"/> of this model; overwritten.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run; the outputs are then undefined.</param>
    /// <exception cref="ArgumentException">The pixels are not as many or not of the type that the shape says, they are on another device, or
    /// the outputs belong to another model.</exception>
    /// <exception cref="DeviceMemoryException">The device has too little memory; the message says how many pictures fit.</exception>
    /// <exception cref="PixioException">There is too little memory, the device fails, or an output is not finite where that is checked.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public void Run(EncoderInput pixels, EncoderOutputs outputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        Run(pixels, outputs.Plan, outputs.Values, cancellationToken);
    }

    /// <summary>Runs a plan into the caller's memory. Allocates no managed memory.</summary>
    /// <param name="pixels">As for <see cref="Run(EncoderInput, EncoderOutputs, CancellationToken)"/>.</param>
    /// <param name="plan">From <see cref="Plan"/> of this model.</param>
    /// <param name="outputs">All outputs end to end, as <see cref="EncoderPlan.Outputs"/> says.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run; the outputs are then undefined.</param>
    /// <exception cref="ArgumentException">A length or the pixels' type is wrong, they are on another device, or the plan belongs to another
    /// model.</exception>
    /// <exception cref="DeviceMemoryException">The device has too little memory; the message says how many pictures fit.</exception>
    /// <exception cref="PixioException">There is too little memory, the device fails, or an output is not finite where that is checked.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public void Run(EncoderInput pixels, EncoderPlan plan, Span<float> outputs, CancellationToken cancellationToken = default)
    {
        using (_telemetry.Time(PixioStage.Forward))
            RunUntimed(pixels, plan, outputs, cancellationToken);
        _telemetry.CountPictures(plan.Shape.Batch);
    }

    /// <summary>A run whose caller does the timing.</summary>
    internal void RunUntimed(EncoderInput pixels, EncoderPlan plan, Span<float> outputs, CancellationToken cancellationToken)
    {
        CheckInput(pixels, plan);
        if (outputs.Length != plan.OutputLength)
        {
            throw new ArgumentException(
                $"The outputs of this plan take {plan.OutputLength} elements, but memory for {outputs.Length} was given.", nameof(outputs));
        }

        RunWhatFits(pixels, plan, outputs, deviceOutputs: null, cancellationToken);
        if (_options.CheckFinite)
            ThrowUnlessFinite(pixels, plan, outputs, cancellationToken);
    }

    /// <summary>Ends the wait of every caller of EmbedAsync with an <see cref="ObjectDisposedException"/>, waits for the runs in flight, and
    /// frees everything. Safe at any time and from any thread, more than once.</summary>
    public void Dispose()
    {
        EmbedService? service;
        bool isFirst;
        lock (_serviceLock)
        {
            isFirst = !_isDisposed;
            _isDisposed = true;
            service = _service;
        }

        service?.Dispose();
        _backend.Dispose();
        if (isFirst)
            Log.Disposed(_logger, Name);
    }

    private void CheckPlan(EncoderPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (!ReferenceEquals(plan.Model, this))
            throw new ArgumentException("This plan was made by another model. Make it with the model that runs it.", nameof(plan));
    }

    private void CheckInput(EncoderInput pixels, EncoderPlan plan)
    {
        CheckPlan(plan);
        if (pixels.Format != plan.Shape.Pixels)
        {
            (string taken, string given) = pixels.Format == PixelFormat.U8 ? ("float32 pixel values", "bytes") : ("bytes", "float32 pixel values");
            throw new ArgumentException(
                $"This plan takes {taken}, but {given} were given: the shape that it is made for says which, by {nameof(InputShape)}.{nameof(InputShape.Pixels)}.",
                nameof(pixels));
        }

        if (pixels.Length != plan.InputLength)
        {
            throw new ArgumentException(
                $"A batch of {plan.Shape} with {Config.Channels} channels takes {plan.InputLength} pixel values, but {pixels.Length} were given.", nameof(pixels));
        }

        if (pixels.Tensor is DeviceTensor tensor)
            CheckDevice(tensor);
    }
}
