using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class LayerNormStepTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(7, false)]
    [InlineData(36, false)]
    [InlineData(257, false)]
    [InlineData(1280, false)]
    [InlineData(1280, true)]
    public void Rows_match_the_definition_in_either_layout(int width, bool massive)
    {
        const int batch = 2, tokens = 9, firstToken = 2, tokenCount = 5;
        const float eps = 1e-6f;
        float[] x = Noise.Normal($"x{width}", batch * tokens * width), weight = Noise.Normal("weight", width), bias = Noise.Normal("bias", width);
        if (massive)
        {
            // As trained ViTs have them: two channels hundreds of times larger than the rest.
            for (int row = 0; row < batch * tokens; row++)
                (x[(row * width) + 3], x[(row * width) + (width / 2) + 1]) = (431.7f + row, -388.25f);
        }

        float[] expected = new float[batch * tokenCount * width];
        for (int row = 0; row < batch * tokenCount; row++)
        {
            ReadOnlySpan<float> source = x.AsSpan((((row / tokenCount * tokens) + firstToken + (row % tokenCount)) * width), width);
            double mean = 0, variance = 0;
            foreach (float value in source)
                mean += value / (double)width;
            foreach (float value in source)
                variance += (value - mean) * (value - mean) / width;
            for (int column = 0; column < width; column++)
                expected[(row * width) + column] = (float)(((source[column] - mean) / Math.Sqrt(variance + eps) * weight[column]) + bias[column]);
        }

        foreach (CpuLayout layout in new[] { CpuLayout.RowMajor, CpuLayout.KChunked })
        {
            using CpuFixture fixture = new(CpuTarget.WidestVectorBits, threads: 2);
            using AlignedBuffer weightBuffer = CpuFixture.Buffer(weight, width), biasBuffer = CpuFixture.Buffer(bias, width);
            int rows = batch * tokenCount;
            CpuOperand input = fixture.Put(x, batch * tokens, batch * tokens, width, CpuLayout.RowMajor);
            CpuOperand output = fixture.Put(new float[rows * width], rows, fixture.Target.PadRows(rows), width, layout);
            fixture.Run(new LayerNormStep(input, output, weightBuffer, biasBuffer, eps, batch, tokens, firstToken, tokenCount));
            Accuracy.Within(2e-7, fixture.Get(output, rows), expected, $"width {width}, {layout}");
        }
    }
}
