using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

[RunsSources("attention.cu", "attention_f32.cu", "attention_resident.cu", "attention_streamed.cu")]
public sealed class AttentionKernelTests
{
    private const ElementType F32 = ElementType.F32, F16 = ElementType.F16, BF16 = ElementType.BF16;

    private static readonly ComputeCapability Ampere = new(8, 0);

    public static TheoryData<int, int, int, int, int, int> Shapes => new()
    {
        // batch, tokens, query tokens, heads, head dim, element
        { 1, 1, 1, 2, 4, (int)BF16 }, { 3, 7, 7, 1, 12, (int)F16 }, { 1, 8, 3, 2, 16, (int)BF16 }, { 1, 9, 9, 3, 6, (int)F16 },
        { 1, 63, 63, 2, 20, (int)BF16 }, { 1, 64, 64, 1, 64, (int)F16 }, { 3, 65, 65, 1, 80, (int)BF16 }, { 1, 264, 264, 1, 80, (int)F16 },
        { 1, 265, 265, 1, 96, (int)BF16 }, { 1, 264, 8, 2, 96, (int)F16 }, { 1, 130, 130, 1, 128, (int)BF16 }, { 2, 17, 17, 3, 5, (int)BF16 },
        { 1, 33, 33, 1, 72, (int)F16 }, { 1, 1032, 40, 1, 64, (int)BF16 },
        // By warpgroups on sm_90: several tiles and heads, all keys resident; then keys that pass by, in blocks of 160, 144 and 176.
        { 2, 140, 140, 2, 80, (int)BF16 }, { 1, 272, 150, 1, 32, (int)BF16 }, { 1, 100, 100, 2, 48, (int)F16 }, { 2, 40, 40, 2, 16, (int)F16 },
        { 1, 300, 300, 2, 80, (int)BF16 }, { 2, 273, 150, 1, 96, (int)F16 }, { 1, 520, 129, 1, 16, (int)BF16 },
        { 1, 1, 1, 2, 4, (int)F32 }, { 3, 7, 7, 1, 12, (int)F32 }, { 1, 8, 3, 2, 16, (int)F32 }, { 1, 9, 9, 3, 5, (int)F32 },
        { 1, 63, 63, 2, 20, (int)F32 }, { 1, 64, 64, 1, 64, (int)F32 }, { 3, 65, 65, 1, 80, (int)F32 }, { 1, 264, 70, 1, 80, (int)F32 },
        { 1, 265, 8, 2, 96, (int)F32 }, { 1, 130, 130, 1, 128, (int)F32 }, { 1, 1032, 9, 1, 34, (int)F32 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_context_is_what_double_precision_gives(int batch, int tokens, int queryTokens, int heads, int headDim, int element)
    {
        AttentionShape shape = new(batch, tokens, queryTokens, heads, headDim, (ElementType)element);
        Check(shape, AttentionData.Normal(shape));
    }

    [Theory]
    [InlineData((int)BF16)]
    [InlineData((int)F16)]
    [InlineData((int)F32)]
    public void Scores_of_several_hundred_leave_one_probability_and_the_right_context(int element)
    {
        AttentionShape shape = new(1, 73, 73, 2, 20, (ElementType)element);
        Check(shape, AttentionData.Sharp(shape));
    }

    [Theory]
    [InlineData((int)BF16, 80)]
    [InlineData((int)F16, 12)]
    [InlineData((int)F32, 80)]
    public void It_is_right_on_the_oldest_architecture_too(int element, int headDim)
    {
        AttentionShape shape = new(1, 67, 67, 1, headDim, (ElementType)element);
        Check(shape, AttentionData.Normal(shape), Ampere);
    }

    [Theory]
    [InlineData((int)BF16, 200)]
    [InlineData((int)F16, 290)]
    [InlineData((int)F32, 200)]
    public void The_bits_of_a_picture_depend_neither_on_its_batch_nor_on_the_query_tokens(int element, int tokens)
    {
        AttentionShape shape = new(3, tokens, tokens, 1, 80, (ElementType)element), alone = shape with { Batch = 1 };
        AttentionShape few = alone with { QueryTokens = tokens / 10 };
        float[] qkv = AttentionData.Normal(shape);
        using GpuDevice device = Emulator.Open();
        byte[] all = Run(device, shape, qkv, AttentionKernel.SelectConfig(shape, DeviceLimits.Of(device.Info)));
        float[] last = qkv[(2 * qkv.Length / 3)..];
        ReadOnlySpan<byte> expected = all.AsSpan(2 * all.Length / 3);
        foreach (AttentionConfig config in ConfigurationsOfAllBatches(alone, DeviceLimits.Of(device.Info)))
        {
            Assert.True(expected.SequenceEqual(Run(device, alone, last, config)), $"{config} gives other bits");
            Assert.True(expected[..(expected.Length / 10)].SequenceEqual(Run(device, few, last, config)), $"{config} gives other bits for few queries");
        }
    }

    [Theory]
    [InlineData(40)]
    [InlineData(290)]
    public void What_the_kernel_in_front_writes_is_waited_for(int tokens)
    {
        // The context of three heads is the qkv of one.
        AttentionShape first = new(1, tokens, tokens, 3, 16, BF16), second = first with { Heads = 1 };
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        using DeviceMemory<byte> qkv = Numbers.Upload(device, AttentionData.Normal(first), BF16);
        AttentionKernel firstKernel = new(device, first), secondKernel = new(device, second);
        byte[]? expected = null;
        for (ulong seed = 0; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            using DeviceMemory<byte> between = device.Allocate<byte>(AttentionData.ContextLength(first) * 2);
            using DeviceMemory<byte> context = device.Allocate<byte>(AttentionData.ContextLength(second) * 2);
            firstKernel.Launch(stream, qkv.Pointer, between.Pointer);
            if (expected is null)
                stream.Synchronize();
            secondKernel.Launch(stream, between.Pointer, context.Pointer);
            stream.Synchronize();
            byte[] bytes = Numbers.Download(device, context);
            expected ??= bytes;
            Assert.Equal(expected, bytes);
        }
    }

    /// <summary>Every configuration that some batch or other gets.</summary>
    private static HashSet<AttentionConfig> ConfigurationsOfAllBatches(AttentionShape shape, DeviceLimits device)
    {
        HashSet<AttentionConfig> configs = [];
        for (int batch = 1; batch <= 4096; batch++)
        {
            foreach (int queryTokens in (ReadOnlySpan<int>)[1, shape.Tokens / 10, shape.Tokens])
                configs.Add(AttentionKernel.SelectConfig(shape with { Batch = batch, QueryTokens = queryTokens }, device));
        }

        return configs;
    }

    private static byte[] Run(GpuDevice device, AttentionShape shape, float[] qkv, AttentionConfig config)
    {
        using GpuStream stream = device.CreateStream();
        using DeviceMemory<byte> qkvMemory = Numbers.Upload(device, qkv, shape.Element);
        using DeviceMemory<byte> context = device.Allocate<byte>(AttentionData.ContextLength(shape) * shape.Element.ByteCount());
        AttentionKernel kernel = new(device, shape, config);
        _ = Emulator.TakeTraffic();
        kernel.Launch(stream, qkvMemory.Pointer, context.Pointer);
        stream.Synchronize();
        long rowBytes = shape.HeadDim * shape.Element.ByteCount(), declared = config.Work(shape).GlobalReadBytes;
        // A row that is no multiple of a sector shares its first and its last one with its neighbours.
        TrafficAssert.IsAsDeclared(config.Work(shape), rowBytes % 32 == 0 ? 0 : declared / rowBytes * 64);
        return Numbers.Download(device, context);
    }

    private static void Check(AttentionShape shape, float[] qkv, ComputeCapability? capability = null)
    {
        using GpuDevice device = Emulator.Open(capability);
        AttentionConfig config = AttentionKernel.SelectConfig(shape, DeviceLimits.Of(device.Info));
        byte[]? first = null;
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            byte[] bytes = Run(device, shape, qkv, config);
            first ??= bytes;
            Assert.Equal(first, bytes);
        }

        Compare(shape, qkv, Numbers.FromBytes(first!, shape.Element));
    }

    private static void Compare(AttentionShape shape, float[] qkv, float[] contexts)
    {
        AttentionReference reference = new(shape, qkv);
        double ours = 0, book = 0;
        for (int picture = 0; picture < shape.Batch; picture++)
        {
            for (int head = 0; head < shape.Heads; head++)
            {
                for (int token = 0; token < shape.QueryTokens; token++)
                {
                    double[] probabilities = reference.Probabilities(picture, head, token);
                    double[] expected = reference.Context(picture, head, probabilities);
                    double[] bounds = reference.ContextBounds(
                        picture, head, probabilities, expected, reference.ExponentialErrors(picture, head, token, common: null));
                    float[] byTheBook = reference.ContextByTheBook(picture, head, reference.ProbabilitiesByTheBook(picture, head, token));
                    int row = ((((picture * shape.QueryTokens) + token) * shape.Heads) + head) * shape.HeadDim;
                    for (int i = 0; i < shape.HeadDim; i++)
                    {
                        double error = Math.Abs(contexts[row + i] - expected[i]);
                        Assert.True(error <= bounds[i],
                            $"{shape}: picture {picture}, head {head}, token {token}, column {i} is {contexts[row + i]}, expected {expected[i]}; "
                            + $"off by {error}, {error / bounds[i]} of what rounding allows");
                        ours += error * error;
                        book += (byTheBook[i] - expected[i]) * (byTheBook[i] - expected[i]);
                    }
                }
            }
        }

        Assert.True(ours <= 4 * book, $"{shape}: the error is {Math.Sqrt(ours)}, more than twice that of the same precision by the book, {Math.Sqrt(book)}");
    }
}
