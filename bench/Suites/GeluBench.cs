using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Cpu;

namespace PixioCuda.Bench.Suites;

/// <summary>The exact GELU on one thread and in the first-level cache: what an epilogue pays for it.</summary>
public class GeluBench : ICountsWork
{
    private const int Count = 6144;

    private readonly float[] _from = new float[Count];
    private readonly float[] _to = new float[Count];

    Work ICountsWork.Work => new(0, 2.0 * sizeof(float) * Count);

    /// <summary>Values from -6 to 6, checked against known ones.</summary>
    [GlobalSetup]
    public void Setup()
    {
        for (int i = 0; i < Count; i++)
            _from[i] = (12f * i / Count) - 6;
        Gelu();
        // From the tables of the normal distribution function.
        StepBench.Require(_to[Count * 5 / 12], -0.15865525, 1e-6, "GELU of -1");
        StepBench.Require(_to[Count / 2], 0, 1e-7, "GELU of 0");
        StepBench.Require(_to[Count * 8 / 12], 1.95449974, 1e-6, "GELU of 2");
    }

    /// <summary>6144 values.</summary>
    [Benchmark]
    public void Gelu()
    {
        if (CpuTarget.WidestVectorBits == 512)
            Gelu<FloatVector512>(_from, _to);
        else if (CpuTarget.WidestVectorBits == 256)
            Gelu<FloatVector256>(_from, _to);
        else
            Gelu<FloatVector128>(_from, _to);
    }

    private static unsafe void Gelu<TVector>(float[] values, float[] results)
        where TVector : struct, IFloatVector<TVector>
    {
        fixed (float* from = values, to = results)
        {
            for (int i = 0; i < Count; i += TVector.Count)
                VectorMath.Gelu(TVector.Load(from + i)).Store(to + i);
        }
    }
}
