using PixioCuda.Cpu;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Cpu;

/// <summary>The matrix product and its epilogues against a naive loop in double precision.</summary>
public unsafe class LinearStepTests
{
    public static TheoryData<int> VectorWidths => CpuFixture.VectorWidths;

    [Theory]
    [MemberData(nameof(VectorWidths))]
    public void Products_of_odd_sizes_match_with_every_epilogue(int vectorBits)
    {
        int[] rowCounts = [1, 7, 8, 9, 63, 64, 65, 264, 265, 530];
        (int Columns, int Depth)[] weights = [(1, 1), (5, 3), (31, 16), (33, 255), (64, 256), (65, 257), (96, 600), (48, 1000)];
        int variant = 0;
        foreach (int rows in rowCounts)
        {
            foreach ((int columns, int depth) in weights)
            {
                variant++;
                Check(new Problem(rows, columns, depth, Bias: variant % 2 == 0, Gelu: variant % 3 == 0, Residual: variant % 5 < 2), vectorBits, threads: 1 + (variant % 3));
            }
        }
    }

    /// <summary>A sum over the 5120 of ViT-H's fc2 may err at most twice as much as textbook chunked float32, and a plain float32 sum
    /// does not get there.</summary>
    [Theory]
    [MemberData(nameof(VectorWidths))]
    public void Long_sums_keep_float32_accuracy(int vectorBits)
    {
        const int rows = 24, columns = 64, depth = 5120;
        float[] input = Noise.Normal("input", rows * depth), weight = Noise.Normal("weight", columns * depth);
        double[] expected = new double[rows * columns];
        double chunkedError = 0, plainError = 0, norm = 0;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                double exact = 0;
                float plain = 0, chunked = 0, chunk = 0;
                for (int k = 0; k < depth; k++)
                {
                    float a = input[(row * depth) + k], b = weight[(column * depth) + k];
                    exact += (double)a * b;
                    plain += a * b;
                    chunk += a * b;
                    if (k % 256 == 255)
                    {
                        chunked += chunk;
                        chunk = 0;
                    }
                }

                expected[(row * columns) + column] = exact;
                plainError += (plain - exact) * (plain - exact);
                chunkedError += (chunked - exact) * (chunked - exact);
                norm += exact * exact;
            }
        }

        float[] actual = Run(new Problem(rows, columns, depth, false, false, false), input, weight, null, null, vectorBits, threads: 2);
        double error = 0;
        for (int i = 0; i < actual.Length; i++)
            error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
        error = Math.Sqrt(error / norm);
        Assert.True(error <= 2 * Math.Sqrt(chunkedError / norm), $"relative L2 error {error:E2}, textbook chunks {Math.Sqrt(chunkedError / norm):E2}");
        Assert.True(error < 0.7 * Math.Sqrt(plainError / norm), $"relative L2 error {error:E2} is no better than a plain sum's {Math.Sqrt(plainError / norm):E2}");
    }

    [Theory]
    [MemberData(nameof(VectorWidths))]
    public void Weights_in_half_precision_give_the_bits_of_float32(int vectorBits)
    {
        foreach ((int rows, int columns, int depth) in new[] { (1, 1, 1), (9, 33, 255), (65, 96, 257), (265, 48, 600) })
        {
            Problem problem = new(rows, columns, depth, Bias: true, Gelu: false, Residual: true);
            float[] input = Noise.Normal($"input{problem}", rows * depth), noise = Noise.Normal($"weight{problem}", columns * depth);
            float[] bias = Noise.Normal($"bias{problem}", columns), residual = Noise.Normal($"residual{problem}", rows * columns);
            float[] brain = [.. noise.Select(value => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xFFFF_0000))];
            float[] half = [.. noise.Select(value => (float)(Half)value)];
            foreach ((DType type, float[] weight) in new[] { (DType.BF16, brain), (DType.F16, half) })
            {
                Assert.Equal(
                    Run(problem, input, weight, bias, residual, vectorBits, threads: 2),
                    Run(problem, input, weight, bias, residual, vectorBits, threads: 2, type));
            }
        }
    }

    private static void Check(Problem problem, int vectorBits, int threads)
    {
        (int rows, int columns, int depth, bool hasBias, bool gelu, bool hasResidual) = problem;
        float[] input = Noise.Normal($"input{problem}", rows * depth), weight = Noise.Normal($"weight{problem}", columns * depth);
        float[]? bias = hasBias ? Noise.Normal($"bias{problem}", columns) : null;
        float[]? residual = hasResidual ? Noise.Normal($"residual{problem}", rows * columns) : null;
        float[] actual = Run(problem, input, weight, bias, residual, vectorBits, threads);
        float[] expected = new float[rows * columns];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                double sum = bias is null ? 0 : bias[column];
                for (int k = 0; k < depth; k++)
                    sum += (double)input[(row * depth) + k] * weight[(column * depth) + k];
                if (gelu)
                    sum = DoubleMath.Gelu(sum);
                expected[(row * columns) + column] = (float)(sum + (residual?[(row * columns) + column] ?? 0));
            }
        }

        // The bound is that of one float32 sum of this length; a wrong element is off by orders of magnitude more.
        Accuracy.Within(1e-6, actual, expected, $"{problem}, {vectorBits} bits, {threads} threads");
    }

    private static float[] Run(Problem problem, float[] input, float[] weight, float[]? bias, float[]? residual, int vectorBits, int threads, DType type = DType.F32)
    {
        using CpuFixture fixture = new(vectorBits, threads);
        CpuTarget target = fixture.Target;
        int rowsPadded = target.PadRows(problem.Rows);
        using PackedMatrix matrix = new(problem.Columns, problem.Depth, target, type);
        for (int panel = 0; panel < matrix.PanelCount; panel++)
        {
            (int first, int count) = matrix.PanelRows(panel);
            matrix.PackPanel(panel, weight.AsSpan(first * problem.Depth, count * problem.Depth), new float[problem.Depth * matrix.PanelColumns]);
        }

        CpuOperand inputOperand = fixture.Put(input, problem.Rows, rowsPadded, problem.Depth, CpuLayout.KChunked);
        CpuOperand output = fixture.Put(new float[problem.Rows * problem.Columns], problem.Rows, problem.Rows, problem.Columns, CpuLayout.RowMajor);
        CpuOperand? residualOperand = residual is null ? null : fixture.Put(residual, problem.Rows, problem.Rows, problem.Columns, CpuLayout.RowMajor);
        using AlignedBuffer? biasBuffer = bias is null ? null : CpuFixture.Buffer(bias, matrix.PanelCount * matrix.PanelColumns);
        long scratch = fixture.Reserve(GemmScratch.ByteCount(problem.Rows, target));
        fixture.Run<LinearStepOf>(new LinearStepOf(inputOperand, problem.Rows, matrix, biasBuffer, problem.Gelu, residualOperand, output, scratch));
        return fixture.Get(output, problem.Rows);
    }

    private readonly record struct Problem(int Rows, int Columns, int Depth, bool Bias, bool Gelu, bool Residual);

    private sealed record LinearStepOf(
        CpuOperand Input, int Rows, PackedMatrix Weight, AlignedBuffer? Bias, bool Gelu, CpuOperand? Residual, CpuOperand Output, long Scratch) : IStepFactory
    {
        public CpuStep Create<TKernel, TVector>(CpuTarget target)
            where TKernel : IMicroKernel
            where TVector : struct, IFloatVector<TVector> =>
            new LinearStep<TKernel, TVector>(target, Input, Rows, Weight, Bias, Gelu, Residual, Output, Scratch);
    }
}
