using System.Runtime.CompilerServices;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The choice of configurations, without a device.</summary>
public sealed class AttentionConfigTests
{
    private static readonly DeviceLimits[] Devices = [DeviceLimits.A100, DeviceLimits.Rtx4090, DeviceLimits.H200];

    [Fact]
    public void Every_configuration_is_within_the_limits_of_its_device()
    {
        int count = 0;
        foreach (AttentionShape shape in Shapes())
        {
            foreach (DeviceLimits device in Devices)
            {
                AttentionConfig config = AttentionKernel.SelectConfig(shape, device);
                string what = $"{config} for {shape}";
                CheckLimits(config, device, config.BlocksPerSm, what);
                Assert.Equal((shape.HeadDim, shape.Element), (config.HeadDim, config.Element));
                CheckTiles(config, shape, device, what);
                // Queries or context of a block fit where the kernel puts them.
                Assert.True(config.SharedBytes >= config.BlockRows * shape.SharedRowBytes, what);
                KernelWork work = config.Work(shape);
                Assert.Equal((long)shape.Batch * shape.QueryTokens * shape.Heads * shape.HeadDim * shape.Element.ByteCount(), work.GlobalWriteBytes);
                Assert.True(work.GlobalReadBytes >= work.DramBytes - work.GlobalWriteBytes, what);

                AttentionProbabilitiesConfig probabilities = AttentionProbabilitiesKernel.SelectConfig(shape, device);
                CheckLimits(probabilities, device, probabilities.BlocksPerSm, $"{probabilities} for {shape}");
                Assert.Equal(0, shape.Tokens % probabilities.Vector);
                count++;
            }
        }

        Assert.True(count > 5000, $"only {count} were tried");
    }

    [Fact]
    public void What_decides_the_order_of_sums_depends_on_neither_batch_nor_query_tokens()
    {
        foreach (AttentionShape shape in Shapes())
        {
            foreach (DeviceLimits device in Devices)
            {
                AttentionShape other = shape with { Batch = 1, QueryTokens = 1 };
                Assert.Equal(AttentionKernel.SelectConfig(other, device).KeyBlock, AttentionKernel.SelectConfig(shape, device).KeyBlock);
                Assert.Equal(AttentionProbabilitiesKernel.SelectConfig(other, device), AttentionProbabilitiesKernel.SelectConfig(shape, device));
            }
        }
    }

    [Theory]
    [InlineData(264)]
    [InlineData(1032)]
    [InlineData(4104)]
    public void The_tokens_of_the_usual_pictures_are_hardly_padded(int tokens)
    {
        AttentionShape shape = new(1, tokens, tokens, 16, 80, ElementType.F32);
        // Half precision leaves steps of 16 keys out; float32 computes its blocks whole.
        Assert.InRange(AttentionShape.RoundUp(tokens, 16), tokens, (int)(1.04 * tokens));
        foreach (DeviceLimits device in Devices)
            Assert.InRange(AttentionShape.RoundUp(tokens, AttentionKernel.SelectConfig(shape, device).KeyBlock), tokens, (int)(1.04 * tokens));
    }

    [Fact]
    public void Impossible_shapes_are_refused_in_whole_sentences()
    {
        AttentionShape shape = new(1, 264, 264, 16, 80, ElementType.BF16);
        Assert.Contains("265 query tokens", Message<ArgumentException>(shape with { QueryTokens = 265 }), StringComparison.Ordinal);
        Assert.Contains("at least 1", Message<ArgumentException>(shape with { Heads = 0 }), StringComparison.Ordinal);
        Assert.Contains("at most 128", Message<NotSupportedException>(shape with { HeadDim = 129 }), StringComparison.Ordinal);
        Assert.Contains("one launch", Message<NotSupportedException>(shape with { Batch = 65536 }), StringComparison.Ordinal);
        Assert.Contains("too large", Message<NotSupportedException>(shape with { Batch = 60000, Tokens = 60000 }), StringComparison.Ordinal);
    }

    [Fact]
    public void Argument_structs_are_laid_out_as_the_kernels_have_them()
    {
        // The sizes are checked against the compiled kernels when these are loaded.
        Assert.Equal(32, Unsafe.SizeOf<AttentionArgs>());
        Assert.Equal(896, Unsafe.SizeOf<WarpgroupAttentionArgs>());
        Assert.Equal(40, Unsafe.SizeOf<AttentionProbabilitiesArgs>());
    }

    private static string Message<TException>(AttentionShape shape)
        where TException : Exception
        => Assert.Throws<TException>(() => AttentionKernel.SelectConfig(shape, DeviceLimits.H200)).Message;

    private static void CheckLimits(IKernelConfig config, DeviceLimits device, int blocksPerSm, string what)
    {
        Assert.True(config.SharedBytes <= device.SharedBytesPerBlock, $"{what}: {config.SharedBytes} bytes of shared memory");
        Assert.True(config.Threads is >= 32 and <= 1024 && config.Threads % 32 == 0, $"{what}: {config.Threads} threads");
        Assert.True(config.RegisterBudget <= 255 && config.RegisterBudget * config.Threads * blocksPerSm <= 65536, $"{what}: {config.RegisterBudget} registers");
        Assert.True(config.Threads * blocksPerSm <= device.ThreadsPerSm, what);
    }

    private static void CheckTiles(AttentionConfig config, AttentionShape shape, DeviceLimits device, string what)
    {
        Assert.Equal(WarpgroupAttentionConfig.Serves(shape, device), config is WarpgroupAttentionConfig);
        switch (config)
        {
            case WarpAttentionConfig warps:
                Assert.True(config.KeyBlock is >= 8 and <= 64 && config.KeyBlock % (shape.Element == ElementType.F32 ? 8 : 16) == 0, what);
                Assert.True(warps.Stages is 2 or 3 && warps.RowTiles is 1 or 2, what);
                break;
            case ResidentAttentionConfig resident:
                Assert.True(resident.Keys >= shape.Tokens && resident.Keys < shape.Tokens + 16 && resident.Keys <= 272, what);
                Assert.True(AttentionTiles.Fit(device, config.SharedBytes) >= config.BlocksPerSm, what);
                // No block without queries.
                Assert.InRange(resident.SharedBlocks, 1, AttentionShape.CeilDiv(shape.QueryTokens, config.BlockRows));
                break;
            case StreamedAttentionConfig streamed:
                // The first block of keys is whole, and the last one has a key.
                Assert.True(shape.Tokens > 272 && config.KeyBlock is >= 16 and <= 176 && config.KeyBlock % 16 == 0, what);
                Assert.True(streamed.Stages is 2 or 3 && AttentionTiles.Fit(device, config.SharedBytes) >= 1, what);
                Assert.True((streamed.Warpgroups * streamed.ConsumerRegisters) + 24 <= 512, what);
                break;
            default:
                Assert.Fail($"{what} is of no known kind.");
                break;
        }
    }

    /// <summary>The presets, the test models and odd ones, in every element type.</summary>
    private static IEnumerable<AttentionShape> Shapes()
    {
        (int Heads, int HeadDim)[] models =
            [(12, 64), (16, 64), (16, 80), (24, 64), (32, 96), (4, 16), (4, 80), (4, 96), (4, 12), (1, 4), (3, 5), (7, 20), (2, 128), (5, 33), (1, 112)];
        foreach ((int heads, int headDim) in models)
        {
            foreach (int tokens in new[] { 1, 7, 8, 9, 17, 63, 64, 65, 264, 265, 1032, 4104, 65544 })
            {
                foreach (int batch in new[] { 1, 3, 64 })
                {
                    foreach (ElementType element in Enum.GetValues<ElementType>())
                    {
                        yield return new AttentionShape(batch, tokens, tokens, heads, headDim, element);
                        yield return new AttentionShape(batch, tokens, Math.Min(tokens, 8), heads, headDim, element);
                    }
                }
            }
        }
    }
}
