using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Cuda;

namespace PixioCuda.Bench.Suites.Cuda;

/// <summary>The whole forward pass of ViT-H on a CUDA device in bfloat16, or, as a smoke test, of the smallest reference model: pixel values in
/// the caller's memory to last_hidden_state there, copies included. "device us" is the captured graph alone.</summary>
public class CudaModelBench : ICountsWork, IRunsOnCuda, IDisposable
{
    private const int TimedRuns = 15;

    // A wrong kernel is off by the size of the outputs. How accurate half precision is, the tests say.
    private const double MostRelativeError = 0.05;

    private PixioModel? _model;
    private EncoderPlan? _plan;
    private float[] _pixels = [];
    private float[] _outputs = [];

    /// <summary>Pictures.</summary>
    [ParamsSource(nameof(Batches))]
    public int Batch { get; set; }

    /// <summary>The batches that are measured.</summary>
    public static IEnumerable<int> Batches => BenchSize.IsSmoke ? [1] : [1, 8, 64];

    Work ICountsWork.Work
    {
        get
        {
            PixioConfig config = PixioModelInfo.Open(ModelName).Config;
            return new Work(config.FlopsPerImage(config.ImageSize) * Batch, 0);
        }
    }

    private static string ModelName => BenchSize.IsSmoke ? Path.Combine(Repository.Root, "tests", "data", "tiny") : "random:vith16";

    private static EncoderTaps Taps { get; } = new() { LastHiddenState = true };

    /// <summary>Loads the model; the last picture's outputs must be the CPU's, but for rounding, and the same twice.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _model = PixioModel.Load(ModelName, new PixioModelOptions { Device = "cuda", Precision = PixioPrecision.BF16 });
        _plan = _model.Plan(new InputShape(Batch, _model.Config.ImageSize), Taps);
        _pixels = new float[_plan.InputLength];
        Random random = new(1);
        foreach (ref float pixel in _pixels.AsSpan())
            pixel = (random.NextSingle() * 4) - 2;
        _outputs = new float[_plan.OutputLength];
        Forward();
        float[] first = [.. _outputs];
        Forward();
        if (!first.AsSpan().SequenceEqual(_outputs))
            throw new InvalidOperationException("The outputs are not the same twice: not measured.");
        StepBench.Require(RelativeError(), 0, MostRelativeError, "the relative error against the CPU");
        CudaProfile profile = PixioModel.Profile(_pixels, _plan, TimedRuns, CancellationToken.None);
        DeviceTimes.Record(this, Batch, 1e6 * profile.GraphSeconds);
    }

    /// <summary>One run.</summary>
    [Benchmark]
    public void Forward() => _model!.Run(_pixels, _plan!, _outputs);

    /// <summary>Frees the model.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _model?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Of the last picture's outputs, in the L2 norm, against the CPU's in float32.</summary>
    private double RelativeError()
    {
        using PixioModel cpu = PixioModel.Load(ModelName, new PixioModelOptions { Device = "cpu" });
        EncoderPlan plan = cpu.Plan(new InputShape(1, cpu.Config.ImageSize), Taps);
        float[] expected = new float[plan.OutputLength];
        cpu.Run(_pixels.AsSpan((int)(_pixels.Length - plan.InputLength)), plan, expected);
        double error = 0, norm = 0;
        ReadOnlySpan<float> actual = _outputs.AsSpan(_outputs.Length - expected.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            error += Math.Pow((double)actual[i] - expected[i], 2);
            norm += Math.Pow(expected[i], 2);
        }

        return Math.Sqrt(error / norm);
    }
}
