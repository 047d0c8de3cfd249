using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Weights;

namespace PixioCuda.Bench.Suites;

/// <summary>Loading ViT-B from a float32 checkpoint in the page cache, packed as the kernels stream it. `make bench-load` has ViT-H, beside a
/// plain read and with its memory.</summary>
public class LoadBench : ICountsWork
{
    private string _folder = "";

    /// <summary>What the weights are kept as.</summary>
    [Params(DType.F32, DType.BF16)]
    public DType InMemory { get; set; }

    // Read once, and written once as it is kept.
    Work ICountsWork.Work => new(0, PixioPresets.Get("vitb16").ParameterCount * (sizeof(float) + (InMemory == DType.F32 ? 4.0 : 2.0)));

    /// <summary>Writes the checkpoint; what is loaded must have the size of the model.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _folder = Directory.CreateTempSubdirectory("pixio-bench-").FullName;
        SyntheticCheckpoint.Write(_folder, "vitb16");
        double expected = PixioPresets.Get("vitb16").ParameterCount * (InMemory == DType.F32 ? 4.0 : 2.0);
        // Vectors and positions stay float32, and the last panels are filled up.
        StepBench.Require(Load(), expected, 0.01, "bytes of the loaded weights");
    }

    /// <summary>From an open folder to a model that can run.</summary>
    [Benchmark]
    public long Load()
    {
        using PixioModel model = PixioModel.Load(_folder, new PixioModelOptions { Device = "cpu", WeightsInMemory = InMemory });
        return model.WeightByteCount;
    }

    /// <summary>Removes the folder.</summary>
    [GlobalCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);
}
