using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Cpu;

namespace PixioCuda.Bench.Suites;

/// <summary>A matrix product of one block.</summary>
/// <param name="Name">Preset and product.</param>
/// <param name="Rows">Tokens of the batch.</param>
/// <param name="Columns">Output features.</param>
/// <param name="Depth">Input features.</param>
/// <param name="Gelu">Whether GELU follows.</param>
public sealed record CpuGemmShape(string Name, int Rows, int Columns, int Depth, bool Gelu)
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>The matrix products of a block of each preset, with bias and GELU, at one picture of 256 x 256 (264 tokens).</summary>
public class GemmBench : StepBench, ICountsWork
{
    private PackedMatrix? _weight;
    private AlignedBuffer? _bias;
    private CpuStep? _step;

    /// <summary>What is multiplied.</summary>
    [ParamsSource(nameof(Shapes))]
    public CpuGemmShape Shape { get; set; } = Shapes[0];

    /// <summary>Every preset's products, and one for the class tokens alone.</summary>
    public static IReadOnlyList<CpuGemmShape> Shapes { get; } =
    [
        .. PixioPresets.Names.SelectMany(ShapesOf),
        new("vith16 fc1, 8 rows", 8, 5120, 1280, true),
    ];

    Work ICountsWork.Work => new(2.0 * Shape.Rows * Shape.Columns * Shape.Depth,
        sizeof(float) * (((double)Shape.Rows * (Shape.Depth + Shape.Columns)) + ((double)Shape.Columns * Shape.Depth)));

    private static IEnumerable<CpuGemmShape> ShapesOf(string preset)
    {
        PixioConfig config = PixioPresets.Get(preset);
        int tokens = config.PositionCount, d = config.HiddenSize, m = config.MlpSize;
        yield return new CpuGemmShape($"{preset} qkv", tokens, 3 * d, d, false);
        yield return new CpuGemmShape($"{preset} proj", tokens, d, d, false);
        yield return new CpuGemmShape($"{preset} fc1", tokens, m, d, true);
        yield return new CpuGemmShape($"{preset} fc2", tokens, d, m, false);
    }

    /// <summary>Packs a weight and checks one element of every row.</summary>
    [GlobalSetup]
    public unsafe void Setup()
    {
        (_, int rows, int columns, int depth, bool gelu) = Shape;
        Begin(OperandByteCount(rows, depth, CpuLayout.KChunked) + OperandByteCount(rows, columns, CpuLayout.RowMajor) + GemmScratch.ByteCount(rows, Target) + 256);
        CpuOperand input = Operand(rows, depth, CpuLayout.KChunked, seed: 1), output = Operand(rows, columns, CpuLayout.RowMajor, seed: 2);
        _weight = new PackedMatrix(columns, depth, Target);
        Random random = new(3);
        float[] weight = new float[(long)columns * depth];
        for (int i = 0; i < weight.Length; i++)
            weight[i] = random.NextSingle() - 0.5f;
        for (int panel = 0; panel < _weight.PanelCount; panel++)
        {
            (int first, int count) = _weight.PanelRows(panel);
            _weight.PackPanel(panel, weight.AsSpan(first * depth, count * depth), []);
        }

        _bias = new AlignedBuffer((long)_weight.PanelCount * _weight.PanelColumns * sizeof(float));
        new Span<float>(_bias.Floats, (int)(_bias.ByteCount / sizeof(float))).Fill(0.25f);
        long scratch = Reserve(GemmScratch.ByteCount(rows, Target));
        _step = Target.VectorBits switch
        {
            512 => new LinearStep<MicroKernel512, FloatVector512>(Target, input, rows, _weight, _bias, gelu, null, output, scratch),
            256 => new LinearStep<MicroKernel256, FloatVector256>(Target, input, rows, _weight, _bias, gelu, null, output, scratch),
            _ => new LinearStep<MicroKernel128, FloatVector128>(Target, input, rows, _weight, _bias, gelu, null, output, scratch),
        };
        Run(_step);
        MatrixView a = input.In(Memory), c = output.In(Memory);
        for (int row = 0; row < rows; row++)
        {
            int column = row * 7919 % columns;
            double sum = 0.25;
            for (int k = 0; k < depth; k++)
                sum += (double)*a.At(row, k) * weight[(column * depth) + k];
            // GELU is checked by its own suite; far from zero it is the identity or nothing.
            if (gelu && Math.Abs(sum) < 6)
                continue;
            // Over the size of a typical element: a product of these values has the standard deviation 1/6.
            double size = Math.Sqrt(depth) / 6;
            Require(*c.At(row, column) / size, (gelu ? Math.Max(sum, 0) : sum) / size, 5e-6, $"element ({row}, {column}) of {Shape}, over {size:F1},");
        }
    }

    /// <summary>The product.</summary>
    [Benchmark]
    public void Gemm() => Run(_step!);

    /// <summary>Frees the memory.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        _weight?.Dispose();
        _bias?.Dispose();
        Dispose();
    }
}
