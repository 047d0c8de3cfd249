using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

[RunsSources("attention_probabilities.cu", "attention_probabilities_f32.cu")]
public sealed class AttentionProbabilitiesKernelTests
{
    private const ElementType F32 = ElementType.F32, F16 = ElementType.F16, BF16 = ElementType.BF16;

    public static TheoryData<int, int, int, int[], int, int> Shapes => new()
    {
        // batch, tokens, heads, chosen heads, head dim, element
        { 1, 1, 2, [1], 4, (int)BF16 }, { 3, 9, 3, [2, 0], 12, (int)F16 }, { 1, 65, 1, [0], 80, (int)BF16 }, { 1, 264, 2, [1], 80, (int)F16 },
        { 1, 63, 2, [1, 0], 5, (int)BF16 }, { 2, 130, 1, [0], 96, (int)BF16 },
        { 1, 1, 2, [1], 4, (int)F32 }, { 3, 9, 3, [2, 0], 12, (int)F32 }, { 1, 65, 1, [0], 80, (int)F32 }, { 1, 264, 2, [1], 16, (int)F32 },
        { 1, 63, 2, [1, 0], 5, (int)F32 }, { 2, 66, 1, [0], 128, (int)F32 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void The_probabilities_are_those_of_double_precision(int batch, int tokens, int heads, int[] chosen, int headDim, int element)
    {
        AttentionShape shape = new(batch, tokens, tokens, heads, headDim, (ElementType)element);
        Check(shape, chosen, AttentionData.Normal(shape), meanKey: false);
    }

    [Theory]
    [InlineData((int)F16)]
    [InlineData((int)F32)]
    public void Scores_of_several_hundred_leave_one_probability(int element)
    {
        AttentionShape shape = new(1, 41, 41, 1, 20, (ElementType)element);
        Check(shape, [0], AttentionData.Sharp(shape), meanKey: false);
    }

    [Fact]
    public void Keys_that_massive_activations_make_alike_cost_no_digits()
    {
        AttentionShape shape = new(1, 100, 100, 1, 80, F32);
        float[] qkv = AttentionData.Alike(shape);
        // The bounds are those of keys less their mean, and the plain computation does not keep to them.
        double plain = 0;
        AttentionReference reference = new(shape, qkv);
        for (int token = 0; token < shape.Tokens; token++)
        {
            double[] expected = reference.Probabilities(0, 0, token), bounds = Bounds(shape, reference, 0, 0, token, expected, meanKey: true);
            float[] byTheBook = reference.ProbabilitiesByTheBook(0, 0, token);
            for (int j = 0; j < shape.Tokens; j++)
                plain = Math.Max(plain, Math.Abs(byTheBook[j] - expected[j]) / bounds[j]);
        }

        Assert.True(plain > 1, $"the plain computation takes only {plain} of the bounds: they show nothing");
        Check(shape, [0], qkv, meanKey: true);
    }

    [Fact]
    public void It_is_right_on_the_oldest_architecture_too()
    {
        foreach (ElementType element in (ReadOnlySpan<ElementType>)[BF16, F32])
        {
            AttentionShape shape = new(1, 70, 70, 1, 16, element);
            Check(shape, [0], AttentionData.Normal(shape), meanKey: false, new ComputeCapability(8, 0));
        }
    }

    [Fact]
    public void More_heads_than_there_are_cannot_be_chosen()
    {
        AttentionShape shape = new(1, 4, 4, 2, 16, BF16);
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        AttentionProbabilitiesKernel kernel = new(device, shape);
        Assert.Throws<ArgumentOutOfRangeException>(() => kernel.Launch(stream, default, default, 3, default));
        Assert.Throws<ArgumentOutOfRangeException>(() => kernel.Launch(stream, default, default, 0, default));
    }

    private static void Check(AttentionShape shape, int[] chosen, float[] qkv, bool meanKey, ComputeCapability? capability = null)
    {
        using GpuDevice device = Emulator.Open(capability);
        using GpuStream stream = device.CreateStream();
        using DeviceMemory<byte> qkvMemory = Numbers.Upload(device, qkv, shape.Element);
        using DeviceMemory<uint> chosenMemory = Numbers.Upload(device, chosen.Select(head => (uint)head).ToArray());
        AttentionProbabilitiesKernel kernel = new(device, shape);
        long count = (long)shape.Batch * chosen.Length * shape.Tokens * shape.Tokens;
        KernelWork work = kernel.Config.Work(shape, chosen.Length);
        byte[]? first = null;
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            using DeviceMemory<byte> memory = device.Allocate<byte>(count * sizeof(float));
            _ = Emulator.TakeTraffic();
            kernel.Launch(stream, qkvMemory.Pointer, chosenMemory.Pointer, chosen.Length, memory.Pointer.As<float>());
            stream.Synchronize();
            TrafficAssert.IsAsDeclared(work, RaggedBytes(shape, kernel.Config, chosen.Length, work));
            byte[] bytes = Numbers.Download(device, memory);
            first ??= bytes;
            Assert.Equal(first, bytes);
        }

        Compare(shape, chosen, qkv, Numbers.FromBytes(first!, F32), meanKey);
    }

    /// <summary>What rows that are no multiple of a sector add: to reads a sector at each end; to writes the same for every access of a
    /// warp, of which a row has one or two for each block of keys. Each warp reads the number of its head as a whole sector.</summary>
    private static long RaggedBytes(AttentionShape shape, AttentionProbabilitiesConfig config, int headCount, KernelWork work)
    {
        long rowBytes = shape.HeadDim * shape.Element.ByteCount();
        long rows = (long)shape.Batch * headCount * shape.Tokens;
        long warps = (long)shape.Batch * headCount * AttentionShape.CeilDiv(shape.Tokens, config.BlockRows) * config.Warps;
        long reads = (rowBytes % 32 == 0 ? 0 : work.GlobalReadBytes / rowBytes * 64) + (32 * warps);
        long writes = shape.Tokens % 8 == 0 ? 0 : rows * AttentionShape.CeilDiv(shape.Tokens, config.KeyBlock) * 64;
        return Math.Max(reads, writes);
    }

    private static double[] Bounds(
        AttentionShape shape, AttentionReference reference, int picture, int head, int token, double[] probabilities, bool meanKey)
    {
        double[]? common = null;
        if (meanKey)
        {
            common = new double[shape.HeadDim];
            for (int j = 0; j < shape.Tokens; j++)
            {
                for (int i = 0; i < shape.HeadDim; i++)
                    common[i] += (double)reference.Key(picture, head, j)[i] / shape.Tokens;
            }
        }

        double[] errors = reference.ExponentialErrors(picture, head, token, common);
        // A probability is off by its own exponential, by their sum (weighted by the probabilities), and by the roundings of sum and quotient;
        // the mean that is taken away is that of a sample, which leaves as much again at most.
        double total = probabilities.Zip(errors, (probability, error) => probability * error).Sum();
        double sums = (shape.Tokens + 4) * Math.ScaleB(1, -24), factor = meanKey ? 2 : 1;
        return [.. probabilities.Zip(errors, (probability, error) => (probability * ((factor * (error + total)) + sums)) + Math.ScaleB(1, -125))];
    }

    private static void Compare(AttentionShape shape, int[] chosen, float[] qkv, float[] actual, bool meanKey)
    {
        AttentionReference reference = new(shape, qkv);
        double ours = 0, book = 0;
        int index = 0;
        for (int picture = 0; picture < shape.Batch; picture++)
        {
            foreach (int head in chosen)
            {
                for (int token = 0; token < shape.Tokens; token++)
                {
                    double[] expected = reference.Probabilities(picture, head, token);
                    double[] bounds = Bounds(shape, reference, picture, head, token, expected, meanKey);
                    float[] byTheBook = reference.ProbabilitiesByTheBook(picture, head, token);
                    for (int j = 0; j < shape.Tokens; j++, index++)
                    {
                        double error = Math.Abs(actual[index] - expected[j]);
                        Assert.True(error <= bounds[j],
                            $"{shape}: picture {picture}, head {head}, query {token}, key {j} is {actual[index]}, expected {expected[j]}; "
                            + $"off by {error}, {error / bounds[j]} of what rounding allows");
                        ours += error * error;
                        book += (byTheBook[j] - expected[j]) * (byTheBook[j] - expected[j]);
                    }
                }
            }
        }

        Assert.True(ours <= 4 * book, $"{shape}: the error is {Math.Sqrt(ours)}, more than twice that of float32 by the book, {Math.Sqrt(book)}");
    }
}
