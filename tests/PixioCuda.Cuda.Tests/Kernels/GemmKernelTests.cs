using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

[RunsSources("gemm.cu", "gemm_f32.cu")]
public sealed class GemmKernelTests
{
    private const int Seeds = 8;

    // On sm_90 most products go another way (GemmWarpgroupKernelTests).
    private static readonly ComputeCapability Portable = new(8, 0);

    /// <summary>M, N, K, element, output, epilogue, residual.</summary>
    public static TheoryData<int, int, int, string, string, string, string> Shapes => new()
    {
        { 1, 64, 64, "BF16", "BF16", "None", "BF16" },
        { 7, 72, 80, "F16", "F16", "Bias", "F16" },
        { 65, 136, 96, "BF16", "BF16", "BiasGelu", "BF16" },
        { 63, 40, 64, "BF16", "BF16", "BiasResidual", "BF16" },
        { 9, 64, 160, "BF16", "F32", "BiasResidual", "F32" },
        { 8, 48, 48, "F16", "F16", "BiasResidual", "F32" },
        // Rows that are aligned to 2, 4 and 8 bytes.
        { 9, 61, 61, "BF16", "BF16", "Bias", "BF16" },
        { 9, 62, 62, "BF16", "BF16", "Bias", "BF16" },
        { 9, 60, 60, "F16", "F16", "BiasResidual", "F16" },
        { 3, 16, 5120, "BF16", "BF16", "Bias", "BF16" },
        // The tokens of one picture, one more, and so many that the tiles go in several bands, the last of them smaller.
        { 264, 40, 64, "BF16", "BF16", "Bias", "BF16" },
        { 265, 24, 32, "F16", "F16", "BiasGelu", "F16" },
        { 1032, 24, 32, "BF16", "F32", "BiasResidual", "F32" },
        { 7, 72, 80, "F32", "F32", "None", "F32" },
        { 65, 68, 36, "F32", "F32", "BiasGelu", "F32" },
        { 9, 61, 61, "F32", "F32", "BiasResidual", "F32" },
        { 9, 62, 62, "F32", "F32", "Bias", "F32" },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_result_is_what_double_precision_gives(int m, int n, int k, string element, string output, string epilogue, string residual)
    {
        using GpuDevice device = Emulator.Open(Portable);
        GemmShape shape = new(m, n, k, Type(element), Type(output), Enum.Parse<GemmEpilogue>(epilogue), Type(residual));
        GemmCase test = new(shape);
        test.Check(RunSeeds(device, test, new GemmKernel(device, shape)), Share(shape));
    }

    [Theory]
    [InlineData("BF16")]
    [InlineData("F32")]
    public void Every_tile_and_every_batch_gives_the_same_bits(string element)
    {
        using GpuDevice device = Emulator.Open(Portable);
        ElementType type = Type(element);
        GemmShape shape = new(49, 136, 360, type, type, GemmEpilogue.Bias);
        byte[]? first = null;
        foreach ((GemmConfig config, _) in GemmTiles.Candidates(shape, DeviceLimits.Of(device.Info)))
        {
            GemmCase test = new(shape);
            byte[] c = test.Run(device, new GemmKernel(device, shape, config), 1);
            if (first is null)
                test.Check(c, Share(shape));
            first ??= c;
            Assert.True(first.AsSpan().SequenceEqual(c), $"{config} gives other bits");
        }

        // The same rows alone, by the tile that is chosen for few.
        GemmShape few = shape with { M = 3 };
        byte[] part = new GemmCase(few).Run(device, new GemmKernel(device, few), 1);
        Assert.Equal(first.AsSpan(0, part.Length).ToArray(), part);
    }

    [Fact]
    public void The_kernels_of_another_architecture_give_the_same_bits()
    {
        GemmShape shape = new(65, 72, 80, ElementType.BF16, ElementType.F32, GemmEpilogue.BiasResidual);
        byte[][] results = [.. new[] { Portable, new ComputeCapability(8, 9) }.Select(capability =>
        {
            using GpuDevice device = Emulator.Open(capability);
            GemmCase test = new(shape);
            byte[] c = RunSeeds(device, test, new GemmKernel(device, shape));
            test.Check(c, Share(shape));
            return c;
        })];
        Assert.Equal(results[0], results[1]);
    }

    [Theory]
    [InlineData("BF16")]
    [InlineData("F32")]
    public void Tokens_of_each_image_are_read_and_written_where_they_lie(string element)
    {
        // 3 images of 11 tokens: the first 5 of each, into the last 5 of 7.
        const int Images = 3, Tokens = 5, Columns = 72, Features = 80;
        using GpuDevice device = Emulator.Open(Portable);
        ElementType type = Type(element);
        GemmShape shape = new(Images * Tokens, Columns, Features, type, type, GemmEpilogue.BiasResidual, type)
        {
            ARows = new(Features, Tokens, 11 * Features),
            ResidualRows = new(Columns, Tokens, 7 * Columns),
            CRows = new(Columns, Tokens, 7 * Columns),
        };
        GemmCase test = new(shape, Images * 11, Images * 7);
        test.Check(RunSeeds(device, test, new GemmKernel(device, shape)), Share(shape));
    }

    [Fact]
    public void Chunked_sums_keep_float32_accurate_over_5120_columns()
    {
        using GpuDevice device = Emulator.Open(Portable);
        GemmShape shape = new(17, 64, 5120, ElementType.F32, ElementType.F32, GemmEpilogue.None);
        GemmCase test = new(shape);
        (double actual, double plain, double chunked) = test.FloatErrors(RunSeeds(device, test, new GemmKernel(device, shape), 2));
        Assert.True(actual <= chunked, $"relative L2 error {actual:g4}, of chunked float32 sums {chunked:g4}");
        // A random walk of K roundings against one of 256 and one of K / 256: a half is far from both.
        Assert.True(actual < plain / 2, $"relative L2 error {actual:g4}, of one float32 accumulator {plain:g4}");
    }

    [Fact]
    public void Wrong_arguments_are_refused()
    {
        using GpuDevice device = Emulator.Open(Portable);
        using GpuStream stream = device.CreateStream();
        GemmShape shape = new(1, 64, 64, ElementType.BF16, ElementType.BF16, GemmEpilogue.Bias);
        GemmKernel kernel = new(device, shape);
        using DeviceMemory<byte> memory = device.Allocate<byte>(16384);
        DevicePointer<byte> pointer = memory.Pointer;
        Assert.Contains("the bias", Assert.Throws<ArgumentException>(
            () => kernel.Launch(stream, pointer, pointer, DevicePointer<float>.Null, pointer, pointer)).Message, StringComparison.Ordinal);
        Assert.Contains("aligned to 16", Assert.Throws<ArgumentException>(
            () => kernel.Launch(stream, pointer[2], pointer, pointer.As<float>(), pointer, pointer)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => GemmKernel.SelectConfig(shape with { K = 0 }, DeviceLimits.A100));
        Assert.Throws<NotSupportedException>(() => GemmKernel.SelectConfig(shape with { Element = ElementType.F32 }, DeviceLimits.H200));
    }

    // The root mean square of M N independent errors scatters by 1 / sqrt(2 M N), the ratio of two by 1 / sqrt(M N): four deviations are
    // allowed. Float32 sums of half products go by the book's steps, only that hardware may cut off where the book rounds: twice the error.
    private static double Share(GemmShape shape)
        => (shape.Element != ElementType.F32 && shape.Output == ElementType.F32 ? 2 : 1) + (4 / Math.Sqrt((double)shape.M * shape.N));

    private static ElementType Type(string name) => Enum.Parse<ElementType>(name);

    private static byte[] RunSeeds(GpuDevice device, GemmCase test, GemmKernel kernel, int seeds = Seeds)
    {
        byte[] first = test.Run(device, kernel, 1);
        for (ulong seed = 2; seed <= (ulong)seeds; seed++)
            Assert.Equal(first, test.Run(device, kernel, seed));
        return first;
    }
}
