using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>gemm_sm90.cu on an emulated device of compute capability 9.0 (or a real one).</summary>
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
    [InlineData("BF16", "BF16", "BiasGelu", 296, 1)]
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

    /// <summary>Each product begins before the one in front of it has ended; the third adds to what the second wrote,
    /// in place.</summary>
    [Fact]
    public void Products_that_follow_each_other_wait_for_what_they_read()
    {
        const int M = 70, D = 96;
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

        GemmKernel Kernel(GemmShape shape) => new(device, shape, DefaultModeConfigs.OfWarpgroups(shape));

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
