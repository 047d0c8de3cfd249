using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>gemm_few_sm90.cu on an emulated device of compute capability 9.0 (or a real one).</summary>
public sealed class GemmFewRowsKernelTests
{
    private const int Seeds = 8;

    // How many multiprocessors an emulated device has does not decide what a product can go by here.
    private static readonly DeviceLimits Limits = DeviceLimits.H200;

    private static readonly ComputeCapability Hopper = new(9, 0);

    /// <summary>M, N, K, element, output, epilogue, tile of tokens x weights, cluster along tokens x weights x K.</summary>
    public static TheoryData<int, int, int, string, string, string, int[]> Cases => new()
    {
        { 1, 64, 64, "BF16", "BF16", "None", [8, 64, 1, 1, 1] },
        { 7, 72, 80, "F16", "F16", "Bias", [8, 128, 1, 1, 1] },
        // Parts of 24 and 16 rows of A, and of 24, 24 and 16 of W; weights and tokens that end within a tile.
        { 65, 136, 96, "BF16", "BF16", "BiasGelu", [40, 64, 2, 2, 1] },
        { 63, 152, 64, "BF16", "F32", "BiasResidual", [24, 64, 3, 2, 1] },
        // Blocks that have no part to fetch.
        { 9, 264, 160, "F16", "F32", "BiasResidual", [16, 64, 1, 5, 1] },
        // Along K: parts of different lengths, one of none; tokens that the parts do not share evenly.
        { 8, 48, 48, "F16", "F32", "None", [8, 64, 1, 1, 2] },
        { 265, 24, 320, "F16", "F16", "BiasGelu", [136, 64, 2, 1, 2] },
        { 20, 200, 328, "BF16", "F32", "BiasResidual", [24, 64, 1, 2, 4] },
        { 3, 16, 5120, "BF16", "BF16", "Bias", [8, 64, 1, 1, 8] },
        { 41, 136, 1288, "BF16", "F32", "BiasResidual", [24, 128, 2, 1, 3] },
        { 70, 392, 1096, "BF16", "BF16", "BiasGelu", [40, 192, 2, 2, 2] },
        // Clusters that only some devices can run.
        { 35, 328, 200, "BF16", "F32", "BiasResidual", [16, 64, 3, 5, 1] },
        { 9, 72, 1040, "F16", "F32", "BiasResidual", [16, 64, 1, 2, 8] },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_result_is_what_double_precision_gives_and_the_same_in_every_run(
        int m, int n, int k, string element, string output, string epilogue, int[] tile)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = new(m, n, k, Type(element), Type(output), Enum.Parse<GemmEpilogue>(epilogue));
        FewRowsGemmConfig config = new(
            shape.Element, shape.Output, tile[0], tile[1], Stages: 4, tile[2], tile[3], tile[4], shape.Epilogue);
        GemmCase test = new(shape);
        GemmKernel kernel = new(device, shape, config);
        byte[] first = test.Run(device, kernel, 1);
        for (ulong seed = 2; seed <= Seeds; seed++)
            Assert.Equal(first, test.Run(device, kernel, seed));
        test.Check(first, Share(shape));
    }

    /// <summary>As many parts of K, the same bits; without parts, those of the default mode.</summary>
    [Fact]
    [Trait(Emulator.Category, Emulator.Only)]
    public void Configurations_with_as_many_parts_of_K_give_the_same_bits()
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = new(136, 392, 584, ElementType.BF16, ElementType.F32, GemmEpilogue.BiasResidual);
        Dictionary<int, byte[]> bits = [];
        FewRowsGemmConfig[] configs =
            [.. FewRowsGemmTiles.Candidates(shape, Limits, splitsK: true).Select(estimate => estimate.Config).Cast<FewRowsGemmConfig>()];
        Assert.True(configs.Length > 300, $"{configs.Length} configurations");
        ulong seed = 1;
        foreach (FewRowsGemmConfig config in configs.Where((_, number) => number % 43 == 0))
        {
            byte[] c = new GemmCase(shape).Run(device, new GemmKernel(device, shape, config), seed++);
            Assert.True(bits.TryAdd(config.Splits, c) || bits[config.Splits].AsSpan().SequenceEqual(c), $"{config.Name} gives other bits");
        }

        Assert.True(bits.Count >= 2, "one number of parts only");
        Assert.Equal(bits[1], new GemmCase(shape).Run(device, new GemmKernel(device, shape), 1));
    }

    /// <summary>Each product begins before the one in front of it has ended; the third adds to what the second wrote, in place.</summary>
    [Fact]
    public void Products_that_follow_each_other_wait_for_what_they_read()
    {
        const int M = 70, D = 264;
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape stream = new(M, D, D, ElementType.BF16, ElementType.F32, GemmEpilogue.Bias);
        GemmShape inner = new(M, D, D, ElementType.BF16, ElementType.BF16, GemmEpilogue.BiasGelu);
        GemmShape sum = stream with { Epilogue = GemmEpilogue.BiasResidual };
        GemmKernel first = Kernel(inner), second = Kernel(stream), third = Kernel(sum);
        using DeviceMemory<byte> a = Numbers.Upload(device, Numbers.Normal("a", M * D), ElementType.BF16);
        using DeviceMemory<byte> w = Numbers.Upload(device, Numbers.Normal("w", D * D, 0.1), ElementType.BF16);
        using DeviceMemory<float> bias = Numbers.Upload(device, Numbers.Normal("bias", D));
        using DeviceMemory<byte> x = device.Allocate<byte>(M * D * 4), hidden = device.Allocate<byte>(M * D * 2);
        using GpuStream queue = device.CreateStream();

        byte[] expected = Run(wait: true, 1);
        for (ulong seed = 2; seed <= Seeds; seed++)
            Assert.Equal(expected, Run(wait: false, seed));

        GemmKernel Kernel(GemmShape shape) => new(
            device, shape, new FewRowsGemmConfig(shape.Element, shape.Output, 40, 64, 4, 2, 1, 2, shape.Epilogue));

        byte[] Run(bool wait, ulong seed)
        {
            DevicePointer<byte> none = DevicePointer<byte>.Null;
            Emulator.SetSeed(seed);
            first.Launch(queue, a.Pointer, w.Pointer, bias.Pointer, none, hidden.Pointer);
            Wait();
            second.Launch(queue, hidden.Pointer, w.Pointer, bias.Pointer, none, x.Pointer);
            Wait();
            third.Launch(queue, hidden.Pointer, w.Pointer, bias.Pointer, x.Pointer, x.Pointer);
            queue.Synchronize();
            return Numbers.Download(device, x);

            void Wait()
            {
                if (wait)
                    queue.Synchronize();
            }
        }
    }

    // As GemmWarpgroupKernelTests has it; parts of K are added with one more rounding each.
    private static double Share(GemmShape shape) => (shape.Output == ElementType.F32 ? 2 : 1) + (4 / Math.Sqrt((double)shape.M * shape.N));

    private static ElementType Type(string name) => Enum.Parse<ElementType>(name);
}
