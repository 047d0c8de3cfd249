using System.Runtime.InteropServices;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>gemm_sm90.cu where LayerNorm is folded into products, on an emulated device of compute capability 9.0 (or a real
/// one).</summary>
[RunsSources("gemm_sm90.cu", "gemm_few_sm90.cu")]
public sealed class GemmFoldingKernelTests
{
    private const int Seeds = 8;

    private static readonly ComputeCapability Hopper = new(9, 0);

    /// <summary>M, N, K, element, epilogue, how many times a channel is larger than the others.</summary>
    [Theory]
    [InlineData(1, 64, 64, "BF16", "Bias", 1)]
    [InlineData(7, 72, 128, "F16", "Bias", 1)]
    [InlineData(65, 136, 192, "BF16", "BiasGelu", 1)]
    [InlineData(63, 40, 256, "F16", "BiasGelu", 200)]
    [InlineData(9, 96, 320, "BF16", "Bias", 1000)]
    [InlineData(265, 24, 64, "BF16", "Bias", 1)]
    [InlineData(130, 264, 1280, "BF16", "BiasGelu", 1000)]
    public void A_product_that_applies_is_that_of_the_normed_rows(int m, int n, int k, string element, string epilogue, double massive)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = Applies(m, n, k, Type(element), Enum.Parse<GemmEpilogue>(epilogue));
        CheckApplies(device, shape, massive, DefaultModeConfigs.OfWarpgroups(shape));
    }

    /// <summary>The same by gemm_few_sm90.cu: tile of tokens x weights, cluster along tokens x weights x K.</summary>
    [Theory]
    [InlineData(1, 64, 64, "BF16", "Bias", 1, new[] { 8, 64, 1, 1, 1 })]
    [InlineData(63, 40, 256, "F16", "BiasGelu", 200, new[] { 32, 64, 2, 1, 2 })]
    [InlineData(65, 264, 1280, "BF16", "BiasGelu", 1000, new[] { 40, 128, 2, 1, 3 })]
    [InlineData(100, 392, 640, "BF16", "Bias", 1, new[] { 104, 192, 1, 2, 3 })]
    public void A_product_of_few_rows_that_applies_is_that_of_the_normed_rows(
        int m, int n, int k, string element, string epilogue, double massive, int[] tile)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = Applies(m, n, k, Type(element), Enum.Parse<GemmEpilogue>(epilogue));
        CheckApplies(device, shape, massive, FewRows(shape, tile));
    }

    private static void CheckApplies(GpuDevice device, GemmShape shape, double massive, GemmConfig config)
    {
        NormedProductCase test = new(shape, massive);
        GemmKernel kernel = new(device, shape, config);
        byte[] first = test.Run(device, kernel, 1);
        for (ulong seed = 2; seed <= Seeds; seed++)
            Assert.Equal(first, test.Run(device, kernel, seed));
        test.Check(first);
    }

    [Theory]
    [InlineData("BF16", "BiasGelu", 3)]
    [InlineData("F16", "Bias", 5)]
    public void Every_configuration_that_applies_gives_the_same_bits(string element, string epilogue, int everyNth)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = Applies(330, 328, 320, Type(element), Enum.Parse<GemmEpilogue>(epilogue));
        byte[]? first = null;
        ulong seed = 1;
        foreach (GemmConfig config in DefaultModeConfigs.Some(shape, everyNth))
        {
            byte[] c = new NormedProductCase(shape, 100).Run(device, new GemmKernel(device, shape, config), seed++);
            first ??= c;
            Assert.True(first.AsSpan().SequenceEqual(c), $"{config.Name} gives other bits");
        }

        GemmShape few = shape with { M = 3 };
        byte[] part = new NormedProductCase(few, 100).Run(device, new GemmKernel(device, few), 1);
        Assert.Equal(first.AsSpan(0, part.Length).ToArray(), part);
    }

    /// <summary>M, N, K, element, how many times a channel of the residual is larger than the others.</summary>
    [Theory]
    [InlineData(1, 64, 64, "BF16", 1)]
    [InlineData(7, 128, 80, "F16", 1)]
    [InlineData(65, 192, 96, "BF16", 1000)]
    // Beyond what float16 holds.
    [InlineData(63, 320, 136, "F16", 50_000)]
    [InlineData(265, 64, 64, "BF16", 1)]
    public void A_product_that_prepares_leaves_its_copy_and_moments(int m, int n, int k, string element, double massive)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = Prepares(m, n, k, Type(element));
        GemmShape none = shape with { Folding = GemmFolding.None };
        CheckPrepares(
            device, shape, massive, new(device, shape, DefaultModeConfigs.OfWarpgroups(shape)),
            new(device, none, DefaultModeConfigs.OfWarpgroups(none)));
    }

    /// <summary>The same by gemm_few_sm90.cu: tile of tokens x weights, cluster along tokens x weights x K.</summary>
    [Theory]
    [InlineData(1, 64, 64, "BF16", 1, new[] { 8, 64, 1, 1, 1 })]
    [InlineData(65, 192, 96, "BF16", 1000, new[] { 40, 64, 2, 3, 1 })]
    [InlineData(63, 320, 136, "F16", 50_000, new[] { 32, 192, 2, 1, 2 })]
    [InlineData(90, 128, 1288, "BF16", 1, new[] { 96, 128, 1, 1, 4 })]
    public void A_product_of_few_rows_that_prepares_leaves_its_copy_and_moments(int m, int n, int k, string element, double massive, int[] tile)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = Prepares(m, n, k, Type(element)), none = shape with { Folding = GemmFolding.None };
        CheckPrepares(device, shape, massive, new(device, shape, FewRows(shape, tile)), new(device, none, FewRows(none, tile)));
    }

    private static void CheckPrepares(GpuDevice device, GemmShape shape, double massive, GemmKernel kernel, GemmKernel plain)
    {
        (byte[] c, byte[] copy, byte[] moments) = RunStream(device, shape, kernel, massive, 1);
        for (ulong seed = 2; seed <= Seeds; seed++)
        {
            (byte[] C, byte[] Copy, byte[] Moments) again = RunStream(device, shape, kernel, massive, seed);
            Assert.Equal(c, again.C);
            Assert.Equal(copy, again.Copy);
            Assert.Equal(moments, again.Moments);
        }

        Assert.Equal(RunStream(device, shape, plain, massive, 1, prepares: false).C, c);
        float[] values = Numbers.FromBytes(c, ElementType.F32);
        float factor = GemmFoldings.CopyFactor(shape.Element);
        Assert.Equal(Numbers.ToBytes([.. values.Select(value => value * factor)], shape.Element), copy);
        float[][] groups = [.. values.Chunk(GemmFoldingOperands.MomentColumns)];
        Floats[] actual = MemoryMarshal.Cast<byte, Floats>(moments).ToArray();
        Assert.Equal(groups.Length, actual.Length);
        for (int i = 0; i < groups.Length; i++)
        {
            (float mean, float squares) = NormedProductCase.MomentsOf(groups[i]);
            // Sums of 64 in float32, 6 deep by lanes and 16 in each; squares around a mean that errs by as much.
            double unit = Numbers.Epsilon(ElementType.F32) / 2, magnitude = groups[i].Average(value => Math.Abs((double)value));
            double meanBound = 20 * unit * magnitude, distances = groups[i].Sum(value => Math.Abs(value - (double)mean));
            double squaresBound = (24 * unit * squares) + (2 * distances * meanBound) + (64 * meanBound * meanBound);
            Assert.True(Math.Abs(actual[i].Mean - mean) <= meanBound, $"{shape}: mean {i} is {actual[i].Mean}, expected {mean}");
            Assert.True(
                Math.Abs(actual[i].Squares - squares) <= squaresBound, $"{shape}: squares {i} are {actual[i].Squares}, expected {squares}");
        }
    }

    [Theory]
    [InlineData("BF16", 3)]
    [InlineData("F16", 5)]
    public void Every_configuration_that_prepares_leaves_the_same_bits(string element, int everyNth)
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = Prepares(330, 320, 296, Type(element));
        (byte[] C, byte[] Copy, byte[] Moments)? first = null;
        ulong seed = 1;
        foreach (GemmConfig config in DefaultModeConfigs.Some(shape, everyNth))
        {
            (byte[] C, byte[] Copy, byte[] Moments) results = RunStream(device, shape, new GemmKernel(device, shape, config), 100, seed++);
            first ??= results;
            Assert.True(first.Value.C.AsSpan().SequenceEqual(results.C), $"{config.Name} gives other sums");
            Assert.True(first.Value.Copy.AsSpan().SequenceEqual(results.Copy), $"{config.Name} leaves another copy");
            Assert.True(first.Value.Moments.AsSpan().SequenceEqual(results.Moments), $"{config.Name} leaves other moments");
        }

        GemmShape few = shape with { M = 3 };
        (byte[] C, byte[] Copy, byte[] Moments) part = RunStream(device, few, new GemmKernel(device, few), 100, 1);
        Assert.Equal(first!.Value.Copy.AsSpan(0, part.Copy.Length).ToArray(), part.Copy);
        Assert.Equal(first.Value.Moments.AsSpan(0, part.Moments.Length).ToArray(), part.Moments);
    }

    /// <summary>fc1 behind proj and fc2 behind that, each of which begins before the one in front of it has ended, in a stream that lies in
    /// one place: what is read of copy and moments is what was written.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Folded_products_that_follow_each_other_wait_for_what_they_read(bool fewRows)
    {
        const int M = 70, D = 128;
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape prepares = Prepares(M, D, D, ElementType.BF16), applies = Applies(M, D, D, ElementType.BF16, GemmEpilogue.BiasGelu);
        int[] tile = [40, 64, 2, 1, 2];
        GemmKernel adds = new(device, prepares, fewRows ? FewRows(prepares, tile) : DefaultModeConfigs.OfWarpgroups(prepares));
        GemmKernel norms = new(device, applies, fewRows ? FewRows(applies, tile) : DefaultModeConfigs.OfWarpgroups(applies));
        using DeviceMemory<byte> a = Numbers.Upload(device, Numbers.Normal("a", M * D), ElementType.BF16);
        using DeviceMemory<byte> w = Numbers.Upload(device, Numbers.Normal("w", D * D, 0.1), ElementType.BF16);
        using DeviceMemory<float> bias = Numbers.Upload(device, Numbers.Normal("bias", D));
        using DeviceMemory<float> sums = Numbers.Upload(device, Numbers.Normal("sums", D));
        using DeviceMemory<byte> copy = device.Allocate<byte>(M * D * 2), hidden = device.Allocate<byte>(M * D * 2);
        using DeviceMemory<byte> x = device.Allocate<byte>(M * D * 4);
        using DeviceMemory<byte> moments = device.Allocate<byte>(GemmFoldingOperands.MomentBytes(M, D));
        byte[] stream = Numbers.ToBytes(Numbers.Normal("x", M * D, 3), ElementType.F32);
        using GpuStream queue = device.CreateStream();

        byte[] expected = Run(wait: true, 1);
        for (ulong seed = 2; seed <= Seeds; seed++)
            Assert.Equal(expected, Run(wait: false, seed));

        byte[] Run(bool wait, ulong seed)
        {
            device.Upload(x, (ReadOnlySpan<byte>)stream);
            Emulator.SetSeed(seed);
            Add(a.Pointer);
            for (int layer = 0; layer < 2; layer++)
            {
                norms.Launch(
                    queue, copy.Pointer, w.Pointer, bias.Pointer, default, hidden.Pointer, new(moments.Pointer, sums.Pointer, Eps: 1e-6f));
                Wait();
                Add(hidden.Pointer);
            }

            queue.Synchronize();
            return [.. Numbers.Download(device, x), .. Numbers.Download(device, copy), .. Numbers.Download(device, moments)];

            void Add(DevicePointer<byte> input)
            {
                adds.Launch(queue, input, w.Pointer, bias.Pointer, x.Pointer, x.Pointer, new(moments.Pointer, Copy: copy.Pointer));
                Wait();
            }

            void Wait()
            {
                if (wait)
                    queue.Synchronize();
            }
        }
    }

    [Fact]
    public void Norms_are_folded_into_products_of_compute_capability_9_alone()
    {
        GemmShape applies = Applies(64, 64, 64, ElementType.BF16, GemmEpilogue.Bias), prepares = Prepares(64, 64, 64, ElementType.BF16);
        Assert.True(GemmKernel.SelectConfig(applies, DeviceLimits.H200) is WarpgroupGemmConfig or FewRowsGemmConfig);
        Assert.Equal(0, GemmKernel.SelectConfig(prepares, DeviceLimits.H200).BlockN % GemmFoldingOperands.MomentColumns);
        Assert.Throws<NotSupportedException>(() => GemmKernel.SelectConfig(applies, DeviceLimits.A100));
        GemmShape[] none =
        [
            applies with { K = 96 }, applies with { Epilogue = GemmEpilogue.None },
            prepares with { N = 96 }, prepares with { Epilogue = GemmEpilogue.Bias },
        ];
        Assert.All(none, shape => Assert.Throws<NotSupportedException>(() => GemmKernel.SelectConfig(shape, DeviceLimits.H200)));
    }

    [Fact]
    public void A_product_without_what_its_folding_needs_is_refused()
    {
        using GpuDevice device = Emulator.Open(Hopper);
        GemmShape shape = Prepares(8, 64, 64, ElementType.BF16);
        GemmKernel kernel = new(device, shape);
        using DeviceMemory<byte> memory = device.Allocate<byte>(8 * 64 * 4);
        using GpuStream stream = device.CreateStream();
        DevicePointer<byte> some = memory.Pointer;
        ArgumentException missing = Assert.Throws<ArgumentException>(() => kernel.Launch(stream, some, some, some.As<float>(), some, some));
        Assert.Contains("needs the moments", missing.Message, StringComparison.Ordinal);
        missing = Assert.Throws<ArgumentException>(() => kernel.Launch(stream, some, some, some.As<float>(), some, some, new(some)));
        Assert.Contains("needs the copy of C", missing.Message, StringComparison.Ordinal);
    }

    /// <summary>C, copy and moments of a product that adds to a stream with a massive channel, in place.</summary>
    private static (byte[] C, byte[] Copy, byte[] Moments) RunStream(
        GpuDevice device, GemmShape shape, GemmKernel kernel, double massive, ulong seed, bool prepares = true)
    {
        using GpuStream stream = device.CreateStream();
        Emulator.SetSeed(seed);
        float[] residual = Numbers.Normal("residual", shape.M * shape.N, 3, 0.5);
        for (int row = 0; row < shape.M; row++)
            residual[(row * shape.N) + (shape.N / 3)] *= (float)massive;
        using DeviceMemory<byte> a = Numbers.Upload(device, Numbers.Normal("a", shape.M * shape.K), shape.Element);
        using DeviceMemory<byte> w = Numbers.Upload(device, Numbers.Normal("w", shape.N * shape.K, 2 / Math.Sqrt(shape.K)), shape.Element);
        using DeviceMemory<float> bias = Numbers.Upload(device, Numbers.Normal("bias", shape.N, 0.5, 0.1));
        using DeviceMemory<byte> c = Numbers.Upload(device, residual, ElementType.F32);
        using DeviceMemory<byte> copy = device.Allocate<byte>((long)shape.M * shape.N * 2);
        using DeviceMemory<byte> moments = device.Allocate<byte>(GemmFoldingOperands.MomentBytes(shape.M, shape.N));
        _ = Emulator.TakeTraffic();
        kernel.Launch(
            stream, a.Pointer, w.Pointer, bias.Pointer, c.Pointer, c.Pointer,
            prepares ? new(moments.Pointer, Copy: copy.Pointer) : default);
        stream.Synchronize();
        if (!prepares)
            return (Numbers.Download(device, c), [], []);
        TrafficAssert.IsAsDeclared(kernel.Config.Work(shape), RaggedBytes(shape, kernel.Config));
        return (Numbers.Download(device, c), Numbers.Download(device, copy), Numbers.Download(device, moments));
    }

    /// <summary>Each row's moments are written by an access of its own, to a sector of 32 bytes; those of K are no multiple of
    /// one.</summary>
    private static long RaggedBytes(GemmShape shape, GemmConfig config)
    {
        (long rows, long columns) = config.Tiles(shape);
        long moments = 32L * shape.M * (shape.N / GemmFoldingOperands.MomentColumns);
        long slices = (shape.K + config.BlockK - 1) / config.BlockK;
        return moments + (shape.K * 2 % 32 == 0 ? 0 : 32 * slices * 2 * rows * columns * (config.BlockM + config.BlockN) * 8);
    }

    private static GemmShape Applies(int m, int n, int k, ElementType element, GemmEpilogue epilogue)
        => new(m, n, k, element, element, epilogue) { Folding = GemmFolding.Applies };

    private static GemmShape Prepares(int m, int n, int k, ElementType element)
        => new(m, n, k, element, ElementType.F32, GemmEpilogue.BiasResidual) { Folding = GemmFolding.Prepares };

    private static FewRowsGemmConfig FewRows(GemmShape shape, int[] tile)
        => new(shape.Element, shape.Output, tile[0], tile[1], Stages: 4, tile[2], tile[3], tile[4], shape.Epilogue);

    private static ElementType Type(string name) => Enum.Parse<ElementType>(name);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Floats(float Mean, float Squares);
}
