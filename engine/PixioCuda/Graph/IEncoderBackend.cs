namespace PixioCuda.Graph;

/// <summary>A device that runs encoder graphs with one model's weights. Thread-safe.</summary>
internal interface IEncoderBackend : IDisposable
{
    /// <summary>The device in words, for example "cpu (AVX-512, 2 threads)".</summary>
    string Description { get; }

    /// <summary>The graph as it runs here: with the same outputs, by the ops that this backend is fastest with. What the other members take
    /// is such a graph.</summary>
    EncoderGraph Lower(EncoderGraph graph);

    /// <summary>What the tensors of a graph cost here.</summary>
    IMemoryModel MemoryModelFor(EncoderGraph graph);

    /// <summary>The bytes that the weights take.</summary>
    long WeightByteCount { get; }

    /// <summary>Turns a graph and its memory plan into something that runs, once for every shape and set of taps.</summary>
    IEncoderExecutable Compile(EncoderGraph graph, MemoryPlan plan);
}

/// <summary>A compiled graph. Thread-safe: concurrent runs give the results that each would give alone.</summary>
internal interface IEncoderExecutable
{
    /// <summary>Runs the graph.</summary>
    /// <param name="input">Pixels of the type and number that the graph's shape says.</param>
    /// <param name="outputs">All outputs end to end, at their offsets in <see cref="EncoderGraph.Outputs"/>.</param>
    /// <param name="cancellationToken">Looked at between ops.</param>
    void Run(EncoderInput input, Span<float> outputs, CancellationToken cancellationToken);

    /// <summary>Does whatever only the first run does.</summary>
    /// <param name="onDevice">For runs whose input and outputs stay on the device, where it has memory of its own.</param>
    /// <param name="cancellationToken">Stops it.</param>
    void Warmup(bool onDevice, CancellationToken cancellationToken);
}
