using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;

namespace PixioCuda.Bench.Suites;

/// <summary>The whole forward pass: pictures of 256 x 256 as pixel values, last_hidden_state out.</summary>
public class ModelBench : ICountsWork
{
    private PixioModel? _model;
    private EncoderPlan? _plan;
    private float[] _pixels = [];
    private float[] _outputs = [];

    /// <summary>The preset, with random weights.</summary>
    [Params("vitb16", "vith16")]
    public string Preset { get; set; } = "vitb16";

    /// <summary>Pictures at a time.</summary>
    [Params(1, 4)]
    public int Batch { get; set; } = 1;

    Work ICountsWork.Work => new(PixioPresets.Get(Preset).FlopsPerImage(256) * Batch, 0);

    /// <summary>Loads the model; all outputs must be finite, and the same twice.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _model = PixioModel.Load($"random:{Preset}");
        _plan = _model.Plan(new InputShape(Batch, 256), new EncoderTaps { LastHiddenState = true });
        _pixels = new float[_plan.InputLength];
        Random random = new(1);
        for (int i = 0; i < _pixels.Length; i++)
            _pixels[i] = (random.NextSingle() * 4) - 2;
        _outputs = new float[_plan.OutputLength];
        Forward();
        float[] first = [.. _outputs];
        Forward();
        if (!first.AsSpan().SequenceEqual(_outputs) || !first.All(float.IsFinite))
            throw new InvalidOperationException("The outputs are not finite, or not the same twice: not measured.");
    }

    /// <summary>One run.</summary>
    [Benchmark]
    public void Forward() => _model!.Run(_pixels, _plan!, _outputs);

    /// <summary>Frees the model.</summary>
    [GlobalCleanup]
    public void Cleanup() => _model?.Dispose();
}
