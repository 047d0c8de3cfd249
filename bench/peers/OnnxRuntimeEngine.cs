using Microsoft.ML.OnnxRuntime;
using PixioCuda.Peers.Onnx;

namespace PixioCuda.Peers;

/// <summary>An encoder in ONNX Runtime's CPU provider, with all of its graph optimisations.</summary>
internal sealed class OnnxRuntimeEngine : IEngine
{
    private readonly SessionOptions _options = new();
    private readonly RunOptions _runOptions = new();
    private readonly InferenceSession _session;
    private readonly OrtValue _input;
    private readonly OrtValue _output;
    private readonly float[] _result;

    /// <param name="path">The graph, its weights beside it.</param>
    /// <param name="name">What to call it in the table.</param>
    /// <param name="threads">The threads of one operator, the calling one included.</param>
    /// <param name="pixels">pixel_values [B, C, H, W].</param>
    /// <param name="inputShape">B, C, H, W.</param>
    /// <param name="outputShape">B, T, d.</param>
    public OnnxRuntimeEngine(string path, string name, int threads, float[] pixels, long[] inputShape, long[] outputShape)
    {
        Name = name;
        _options.GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL;
        _options.ExecutionMode = ExecutionMode.ORT_SEQUENTIAL;
        _options.IntraOpNumThreads = threads;
        _options.InterOpNumThreads = 1;
        // Its threads spin within a run, as ours do, but not on when the other engine has its turn.
        _options.AddSessionConfigEntry("session.force_spinning_stop", "1");
        _session = new InferenceSession(path, _options);
        _input = OrtValue.CreateTensorValueFromMemory(pixels, inputShape);
        _result = new float[outputShape.Aggregate((a, b) => a * b)];
        _output = OrtValue.CreateTensorValueFromMemory(_result, outputShape);
    }

    public string Name { get; }

    public ReadOnlySpan<float> Output => _result;

    public static string Version => OrtEnv.Instance().GetVersionString();

    public void Run() => _session.Run(_runOptions, [OnnxEncoder.InputName], [_input], [OnnxEncoder.OutputName], [_output]);

    public void Dispose()
    {
        _input.Dispose();
        _output.Dispose();
        _session.Dispose();
        _runOptions.Dispose();
        _options.Dispose();
    }
}
