using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

public sealed class LayerNormKernelTests
{
    private const float Eps = 1e-6f;

    public static TheoryData<int, int, int, int, int> Shapes => new()
    {
        // batch, tokens, first token, token count, columns
        { 1, 1, 0, 1, 12 }, { 1, 7, 0, 7, 61 }, { 3, 9, 0, 9, 64 }, { 1, 65, 8, 57, 320 }, { 3, 8, 0, 8, 768 }, { 1, 9, 0, 9, 1280 },
        { 2, 12, 8, 3, 1536 }, { 1, 3, 0, 3, 3072 }, { 1, 2, 0, 2, 3071 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_result_is_what_double_precision_gives(int batch, int tokens, int firstToken, int tokenCount, int columns)
    {
        foreach ((ElementType input, ElementType output) in new[] { (ElementType.F32, ElementType.F32), (ElementType.BF16, ElementType.BF16),
            (ElementType.F16, ElementType.F16), (ElementType.F32, ElementType.BF16), (ElementType.BF16, ElementType.F32) })
        {
            Check(new LayerNormShape(batch, tokens, firstToken, tokenCount, columns, input, output), massive: false);
        }
    }

    [Fact]
    public void Massive_activations_cost_no_digits()
        => Check(new LayerNormShape(1, 5, 0, 5, 1280, ElementType.F32, ElementType.F32), massive: true);

    /// <summary>A chain of norms, each of which may begin before the one in front of it has ended.</summary>
    [Fact]
    public void A_norm_waits_for_what_it_reads()
    {
        LayerNormShape shape = new(1, 9, 0, 9, 64, ElementType.F32, ElementType.F32);
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        using DeviceMemory<byte> x = Numbers.Upload(device, Numbers.Normal("x", shape.Rows * shape.Columns), ElementType.F32);
        using DeviceMemory<byte> y = device.Allocate<byte>(x.Count), z = device.Allocate<byte>(x.Count);
        using DeviceMemory<float> weight = Numbers.Upload(device, Numbers.Normal("weight", shape.Columns, 0.2, 1));
        LayerNormKernel kernel = new(device, shape);
        byte[] expected = Run(1, synchronize: true);
        for (ulong seed = 2; seed <= 8; seed++)
            Assert.Equal(expected, Run(seed, synchronize: false));

        byte[] Run(ulong seed, bool synchronize)
        {
            Emulator.SetSeed(seed);
            foreach ((DeviceMemory<byte> from, DeviceMemory<byte> to) in new[] { (x, y), (y, z), (z, y) })
            {
                kernel.Launch(stream, from.Pointer, weight.Pointer, weight.Pointer, to.Pointer, Eps);
                if (synchronize)
                    stream.Synchronize();
            }

            stream.Synchronize();
            return Numbers.Download(device, y);
        }
    }

    private static void Check(LayerNormShape shape, bool massive)
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        float[] x = Numbers.Rounded(Numbers.Normal("x", shape.Batch * shape.Tokens * shape.Columns, mean: 0.3), shape.Input);
        if (massive)
        {
            for (int i = 3; i < x.Length; i += shape.Columns)
                x[i] *= 700;
        }

        float[] weight = Numbers.Normal("weight", shape.Columns, 0.2, 1), bias = Numbers.Normal("bias", shape.Columns, 0.1);
        using DeviceMemory<byte> xMemory = Numbers.Upload(device, x, shape.Input);
        using DeviceMemory<float> weightMemory = Numbers.Upload(device, weight), biasMemory = Numbers.Upload(device, bias);
        LayerNormKernel kernel = new(device, shape);
        byte[]? first = null;
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            using DeviceMemory<byte> yMemory = device.Allocate<byte>((long)shape.Rows * shape.Columns * shape.Output.ByteCount());
            _ = Emulator.TakeTraffic();
            kernel.Launch(stream, xMemory.Pointer, weightMemory.Pointer, biasMemory.Pointer, yMemory.Pointer, Eps);
            stream.Synchronize();
            // In a row that is no whole sectors, each access of a warp to x, weight and bias shares a sector with its neighbours.
            long accesses = (shape.Columns + (32L * LayerNormConfig.VectorOf(shape.Columns)) - 1) / (32 * LayerNormConfig.VectorOf(shape.Columns));
            TrafficAssert.IsAsDeclared(kernel.Config.Work(shape), shape.Columns % 16 == 0 ? 0 : 3 * 64 * shape.Rows * accesses);
            byte[] y = Numbers.Download(device, yMemory);
            first ??= y;
            Assert.Equal(first, y);
        }

        Compare(shape, x, weight, bias, Numbers.FromBytes(first!, shape.Output));
    }

    private static void Compare(LayerNormShape shape, float[] x, float[] weight, float[] bias, float[] y)
    {
        for (int row = 0; row < shape.Rows; row++)
        {
            int source = (row / shape.TokenCount * shape.Tokens) + shape.FirstToken + (row % shape.TokenCount);
            ReadOnlySpan<float> values = x.AsSpan(source * shape.Columns, shape.Columns);
            double mean = 0, variance = 0;
            foreach (float value in values)
                mean += value;
            mean /= shape.Columns;
            foreach (float value in values)
                variance += (value - mean) * (value - mean);
            double scale = 1 / Math.Sqrt((variance / shape.Columns) + Eps);
            for (int column = 0; column < shape.Columns; column++)
            {
                double expected = ((values[column] - mean) * scale * weight[column]) + bias[column];
                // One rounding to the output, and float32 arithmetic: a few roundings of the scaled value, one of the sum.
                double bound = (0.5 * Numbers.Epsilon(shape.Output) * Math.Abs(expected))
                    + (4 * Numbers.Epsilon(ElementType.F32) * (Math.Abs(expected) + Math.Abs(bias[column]) + (scale * Math.Abs(mean) * Math.Abs(weight[column]))));
                double actual = y[(row * shape.Columns) + column];
                Assert.True(Math.Abs(actual - expected) <= bound + Math.ScaleB(1, -24),
                    $"{shape}: row {row}, column {column} is {actual}, expected {expected}; off by {Math.Abs(actual - expected)} of {bound} allowed");
            }
        }
    }
}
