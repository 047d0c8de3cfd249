using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The kernels that pick, average, append and transpose tokens.</summary>
public sealed class PoolKernelTests
{
    private static readonly (ElementType Input, ElementType Output)[] Types =
    [
        (ElementType.F32, ElementType.F32), (ElementType.BF16, ElementType.F32), (ElementType.F16, ElementType.F32), (ElementType.BF16, ElementType.BF16),
    ];

    public static TheoryData<int, int, int, int> Shapes => new()
    {
        // batch, tokens, class tokens, columns
        { 1, 2, 1, 12 }, { 3, 9, 1, 48 }, { 1, 65, 8, 61 }, { 2, 71, 8, 66 }, { 3, 24, 8, 768 }, { 1, 40, 9, 1280 }, { 1, 14, 13, 1 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Chosen_tokens_are_copied(int batch, int tokens, int classTokens, int columns)
    {
        using GpuDevice device = Emulator.Open();
        foreach ((ElementType input, ElementType output) in Types)
        {
            float[] x = Numbers.Rounded(Numbers.Normal("x", batch * tokens * columns), input);
            using DeviceMemory<byte> xMemory = Numbers.Upload(device, x, input);
            foreach ((int first, int count) in new[] { (0, tokens), (0, classTokens), (classTokens, tokens - classTokens) })
            {
                SelectTokensShape shape = new(batch, tokens, first, count, columns, input, output);
                SelectTokensKernel kernel = new(device, shape);
                byte[] y = SeededRuns.Run(
                    device, (long)batch * count * columns * output.ByteCount(), kernel.Config.Work(shape), Ragged(columns, batch * count),
                    (stream, result) => kernel.Launch(stream, xMemory.Pointer, result));
                List<float> expected = [];
                for (int picture = 0; picture < batch; picture++)
                    expected.AddRange(x.AsSpan(((picture * tokens) + first) * columns, count * columns));
                Assert.Equal(Numbers.ToBytes([.. expected], output), y);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_mean_of_the_first_tokens_is_that_of_double_precision(int batch, int tokens, int classTokens, int columns)
    {
        using GpuDevice device = Emulator.Open(new ComputeCapability(8, 0));
        foreach ((ElementType input, ElementType output) in Types)
        {
            MeanTokensShape shape = new(batch, tokens, classTokens, columns, input, output);
            float[] x = Numbers.Rounded(Numbers.Normal("x", batch * tokens * columns, mean: 0.5), input);
            using DeviceMemory<byte> xMemory = Numbers.Upload(device, x, input);
            MeanTokensKernel kernel = new(device, shape);
            float[] y = Numbers.FromBytes(
                SeededRuns.Run(
                    device, (long)batch * columns * output.ByteCount(), kernel.Config.Work(shape), Ragged(columns, batch * (classTokens + 1)),
                    (stream, result) => kernel.Launch(stream, xMemory.Pointer, result)),
                output);
            for (int i = 0; i < y.Length; i++)
            {
                double sum = 0, magnitude = 0;
                for (int token = 0; token < classTokens; token++)
                {
                    double value = x[(((i / columns * tokens) + token) * columns) + (i % columns)];
                    sum += value;
                    magnitude += Math.Abs(value);
                }

                // n - 1 additions and a division in float32, each off by half of the spacing at most; one rounding to the output.
                double expected = sum / classTokens;
                double bound = (0.5 * Numbers.Epsilon(ElementType.F32) * classTokens * (magnitude / classTokens))
                    + (0.5 * Numbers.Epsilon(output) * Math.Abs(expected)) + Math.ScaleB(1, -24);
                Assert.True(Math.Abs(y[i] - expected) <= bound,
                    $"{shape}: picture {i / columns}, column {i % columns} is {y[i]}, expected {expected}; off by {Math.Abs(y[i] - expected)} of {bound}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_patch_gets_its_pictures_mean_behind_it(int batch, int tokens, int classTokens, int columns)
    {
        using GpuDevice device = Emulator.Open();
        float[] mean = Numbers.Normal("mean", batch * columns);
        using DeviceMemory<float> meanMemory = Numbers.Upload(device, mean);
        foreach ((ElementType input, ElementType output) in Types)
        {
            AppendMeanShape shape = new(batch, tokens, tokens - classTokens, columns, input, output);
            float[] x = Numbers.Rounded(Numbers.Normal("x", batch * tokens * columns), input);
            using DeviceMemory<byte> xMemory = Numbers.Upload(device, x, input);
            AppendMeanKernel kernel = new(device, shape);
            byte[] y = SeededRuns.Run(
                device, 2L * batch * shape.Patches * columns * output.ByteCount(), kernel.Config.Work(shape),
                2 * Ragged(columns, batch * shape.Patches),
                (stream, result) => kernel.Launch(stream, xMemory.Pointer, meanMemory.Pointer, result));
            List<float> expected = [];
            for (int row = 0; row < batch * shape.Patches; row++)
            {
                int picture = row / shape.Patches, token = classTokens + (row % shape.Patches);
                expected.AddRange(x.AsSpan(((picture * tokens) + token) * columns, columns));
                expected.AddRange(mean.AsSpan(picture * columns, columns));
            }

            Assert.Equal(Numbers.ToBytes([.. expected], output), y);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    [InlineData(2, 265, 1, 264)]
    public void Patches_become_planes(int batch, int tokens, int classTokens, int columns)
    {
        using GpuDevice device = Emulator.Open();
        foreach ((ElementType input, ElementType output) in Types)
        {
            TokensToMapShape shape = new(batch, tokens, tokens - classTokens, columns, input, output);
            float[] x = Numbers.Rounded(Numbers.Normal("x", batch * tokens * columns), input);
            using DeviceMemory<byte> xMemory = Numbers.Upload(device, x, input);
            TokensToMapKernel kernel = new(device, shape);
            // A plane's part of a tile begins and ends within a sector, where planes are no multiple of one; so do rows.
            long ragged = shape.Patches % 32 == 0 && columns % 64 == 0 ? 0 : 64L * batch * (shape.Patches + columns) * ((shape.Patches / 32) + 1);
            byte[] y = SeededRuns.Run(
                device, (long)batch * shape.Patches * columns * output.ByteCount(), kernel.Config.Work(shape), ragged,
                (stream, result) => kernel.Launch(stream, xMemory.Pointer, result));
            float[] expected = new float[batch * shape.Patches * columns];
            for (int i = 0; i < expected.Length; i++)
            {
                int patch = i % shape.Patches, column = i / shape.Patches % columns, picture = i / shape.Patches / columns;
                expected[i] = x[(((picture * tokens) + classTokens + patch) * columns) + column];
            }

            Assert.Equal(Numbers.ToBytes(expected, output), y);
        }
    }

    [Fact]
    public void Tokens_that_are_not_there_are_refused()
    {
        Assert.Throws<ArgumentException>("shape", () => SelectTokensKernel.SelectConfig(new(1, 9, 8, 2, 64, ElementType.F32, ElementType.F32)));
        Assert.Throws<ArgumentException>("shape", () => SelectTokensKernel.SelectConfig(new(1, 9, -1, 2, 64, ElementType.F32, ElementType.F32)));
        Assert.Throws<ArgumentException>("shape", () => MeanTokensKernel.SelectConfig(new(1, 9, 0, 64, ElementType.F32, ElementType.F32)));
        Assert.Throws<ArgumentException>("shape", () => MeanTokensKernel.SelectConfig(new(1, 9, 10, 64, ElementType.F32, ElementType.F32)));
        Assert.Throws<ArgumentException>("shape", () => AppendMeanKernel.SelectConfig(new(1, 9, 10, 64, ElementType.F32, ElementType.F32)));
        Assert.Throws<ArgumentException>("shape", () => TokensToMapKernel.SelectConfig(new(1, 9, 10, 64, ElementType.F32, ElementType.F32)));
    }

    /// <summary>What rows that do not begin at sectors add: a sector at either end of a warp's part, on each side.</summary>
    private static long Ragged(int columns, int rows) => columns % 16 == 0 ? 0 : 64L * rows * ((columns / 32) + 1);
}
