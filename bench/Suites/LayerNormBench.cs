using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Cpu;

namespace PixioCuda.Bench.Suites;

/// <summary>LayerNorm of ViT-H over the tokens of one picture.</summary>
public class LayerNormBench : StepBench, ICountsWork
{
    private const int Rows = 264;
    private const int Width = 1280;

    private AlignedBuffer? _weight;
    private AlignedBuffer? _bias;
    private LayerNormStep? _step;

    Work ICountsWork.Work => new(0, 2.0 * sizeof(float) * Rows * Width);

    /// <summary>Makes rows and checks the mean and variance of each.</summary>
    [GlobalSetup]
    public unsafe void Setup()
    {
        Begin((OperandByteCount(Rows, Width, CpuLayout.RowMajor) + OperandByteCount(Rows, Width, CpuLayout.KChunked)) * 2);
        CpuOperand input = Operand(Rows, Width, CpuLayout.RowMajor, seed: 1), output = Operand(Rows, Width, CpuLayout.KChunked, seed: 2);
        _weight = new AlignedBuffer(Width * sizeof(float));
        _bias = new AlignedBuffer(Width * sizeof(float));
        new Span<float>(_weight.Floats, Width).Fill(2f);
        new Span<float>(_bias.Floats, Width).Fill(3f);
        _step = new LayerNormStep(input, output, _weight, _bias, 1e-6f, 1, Rows, 0, Rows);
        Run(_step);
        MatrixView y = output.In(Memory);
        for (int row = 0; row < Rows; row++)
        {
            double mean = 0, variance = 0;
            for (int column = 0; column < Width; column++)
                mean += *y.At(row, column) / (double)Width;
            for (int column = 0; column < Width; column++)
                variance += Math.Pow(*y.At(row, column) - mean, 2) / Width;
            Require(mean, 3, 1e-5, $"mean of row {row}");
            Require(variance, 4, 1e-4, $"variance of row {row}");
        }
    }

    /// <summary>All rows.</summary>
    [Benchmark]
    public void LayerNorm() => Run(_step!);

    /// <summary>Frees the memory.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        _weight?.Dispose();
        _bias?.Dispose();
        Dispose();
    }
}
