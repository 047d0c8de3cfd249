using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>gemm_sm90.cu on an emulated device of compute capability 9.0 (or a real one).</summary>
[RunsSources("gemm_sm90.cu")]
public sealed class GemmWarpgroupKernelTests
{
    private const int Seeds = 8;

    private static readonly ComputeCapability Hopper = new(9, 0);

    /// <summary>M, N, K, element, output, epilogue.</summary>
    public static TheoryData<int, int, int, string, string, string> Shapes => new()
    {
        { 1, 64, 64, "BF16", "BF16", "None" },
        { 7, 72, 80, "F16", "F16", "Bias" },
        { 65, 136, 96, "BF16", "BF16", "BiasGelu" },
        { 63, 40, 64, "BF16", "F32", "BiasResidual" },
        { 9, 64, 160, "F16", "F32", "BiasResidual" },
        { 8, 48, 48, "F16", "F32", "None" },
        // One token more than those of a picture; sums over many slices; a K that ends within a swizzled row, and within 16 columns.
        { 265, 24, 32, "F16", "F16", "BiasGelu" },
        { 3, 16, 5120, "BF16", "BF16", "Bias" },
        { 70, 264, 136, "BF16", "BF16", "BiasGelu" },
        { 130, 40, 72, "BF16", "F32", "BiasResidual" },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_result_is_what_double_precision_gives(int m, int n, int k, string element, string output, string epilogue)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = new(m, n, k, Type(element), Type(output), Enum.Parse<GemmEpilogue>(epilogue));
        GemmCase test = new(shape);
        GemmKernel kernel = new(device, shape, DefaultModeConfigs.OfWarpgroups(shape));
        byte[] first = test.Run(device, kernel, 1);
        for (ulong seed = 2; seed <= Seeds; seed++)
            Assert.Equal(first, test.Run(device, kernel, seed));
        test.Check(first, Share(shape));
    }

    /// <summary>Several tiles for each of the emulated multiprocessors, more slices than stages, tails in every direction.</summary>
    [Theory]
    [InlineData("BF16", "BF16", "BiasGelu", 296, 3)]
    [InlineData("BF16", "F32", "BiasResidual", 296, 5)]
    [InlineData("F16", "F16", "None", 584, 5)]
    public void Every_configuration_and_every_batch_gives_the_same_bits(string element, string output, string epilogue, int k, int everyNth)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = new(330, 328, k, Type(element), Type(output), Enum.Parse<GemmEpilogue>(epilogue));
        byte[]? first = null;
        ulong seed = 1;
        foreach (GemmConfig config in DefaultModeConfigs.Some(shape, everyNth))
        {
            GemmCase test = new(shape);
            byte[] c = test.Run(device, new GemmKernel(device, shape, config), seed++);
            if (first is null)
                test.Check(c, Share(shape));
            first ??= c;
            Assert.True(first.AsSpan().SequenceEqual(c), $"{config.Name} gives other bits");
        }

        // The same rows alone, by what is chosen for few.
        GemmShape few = shape with { M = 3 };
        byte[] part = new GemmCase(few).Run(device, new GemmKernel(device, few), 1);
        Assert.Equal(first.AsSpan(0, part.Length).ToArray(), part);
    }

    [Fact]
    public void Products_that_follow_each_other_wait_for_what_they_read()
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmChain.Check(device, 70, 96, shape => new GemmKernel(device, shape, DefaultModeConfigs.OfWarpgroups(shape)));
    }

    [Fact]
    public void Products_that_tensor_copies_cannot_do_go_the_portable_way()
    {
        GemmShape shape = new(64, 64, 64, ElementType.BF16, ElementType.BF16, GemmEpilogue.Bias);
        Assert.False(IsPortable(shape, DeviceLimits.H200));
        GemmShape[] others =
        [
            shape with { K = 60 }, shape with { N = 60 }, shape with { Element = ElementType.F32, Output = ElementType.F32 },
            shape with { Epilogue = GemmEpilogue.BiasResidual, Residual = ElementType.BF16 }, shape with { CRows = new(64, 8, 1024) },
        ];
        Assert.All(others, other => Assert.True(IsPortable(other, DeviceLimits.H200)));
        Assert.True(IsPortable(shape, DeviceLimits.A100));
        Assert.True(IsPortable(shape, DeviceLimits.H200 with { ComputeCapability = new ComputeCapability(10, 0) }));

        static bool IsPortable(GemmShape shape, DeviceLimits device)
            => GemmKernel.SelectConfig(shape, device) is not (WarpgroupGemmConfig or FewRowsGemmConfig);
    }

    // As GemmKernelTests has it: four deviations of the ratio of two root mean squares; float32 results by half products may cut off.
    private static double Share(GemmShape shape) => (shape.Output == ElementType.F32 ? 2 : 1) + (4 / Math.Sqrt((double)shape.M * shape.N));

    private static ElementType Type(string name) => Enum.Parse<ElementType>(name);
}
