using System.Runtime.CompilerServices;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The choice of a tile is a pure function: held against the limits of devices without one.</summary>
public sealed class GemmSelectConfigTests
{
    private static readonly DeviceLimits[] Devices = [DeviceLimits.A100, DeviceLimits.Rtx4090, DeviceLimits.H200];

    [Fact]
    public void Every_choice_is_within_the_limits_of_its_device()
    {
        int count = 0;
        foreach (DeviceLimits device in Devices)
        {
            foreach (GemmShape shape in GemmShapes.OfPresets().Concat(GemmShapes.Odd()))
            {
                GemmConfig config = GemmKernel.SelectConfig(shape, device);
                Assert.InRange(config.SharedBytes, 1, device.SharedBytesPerBlock);
                Assert.InRange(config.Threads, 32, 1024);
                Assert.True(config.BlocksPerSm >= 1);
                Assert.True(config.BlocksPerSm * (config.SharedBytes + 1024) <= device.SharedBytesPerSm, $"{shape}: {config.BlocksPerSm} blocks do not fit");
                Assert.True(config.BlocksPerSm * config.Threads <= device.ThreadsPerSm, $"{shape}: {config.BlocksPerSm} blocks do not fit");
                Assert.True(config.RegisterBudget * config.Threads * config.BlocksPerSm <= 65536, $"{shape}: registers do not fit");
                // What the copies and stores count on.
                Assert.Equal(0, (long)shape.K * shape.Element.ByteCount() % config.CopyBytes);
                Assert.Equal(0, shape.N % config.Vector);
                Assert.InRange(config.Band(shape, device.SmCount), 1, config.Tiles(shape).Rows);
                count++;
            }
        }

        Assert.True(count > 3000, $"only {count} shapes were tried");
    }

    [Fact]
    public void Large_products_take_large_tiles_and_few_rows_fill_the_device()
    {
        // ViT-H at batch 64 on an H200: 16896 tokens are 132 x 128, whole waves of 132 multiprocessors.
        GemmConfig large = GemmKernel.SelectConfig(Half(16896, 5120, 1280, GemmEpilogue.BiasGelu), DeviceLimits.H200);
        Assert.True(large.BlockM * large.BlockN >= 128 * 128, $"{large} for a large product");
        // At batch 1, and for class tokens alone, most multiprocessors have a tile.
        foreach ((int m, int n, int k) in new[] { (264, 3840, 1280), (264, 1280, 1280), (264, 5120, 1280), (264, 1280, 5120), (8, 5120, 1280) })
        {
            (long rows, long columns) = GemmKernel.SelectConfig(Half(m, n, k, GemmEpilogue.Bias), DeviceLimits.H200).Tiles(Half(m, n, k, GemmEpilogue.Bias));
            Assert.True(rows * columns >= 60, $"{m} x {n} x {k}: {rows} x {columns} tiles for 132 multiprocessors");
        }
    }

    [Fact]
    public void Arguments_are_as_large_as_the_kernel_has_them()
    {
        Assert.Equal(16, Unsafe.SizeOf<GemmRowsArgs>());
        Assert.Equal(104, Unsafe.SizeOf<GemmArgs>());
    }

    private static GemmShape Half(int m, int n, int k, GemmEpilogue epilogue) => new(m, n, k, ElementType.BF16, ElementType.BF16, epilogue);

    [Theory]
    [InlineData(7, 0, 0)]
    [InlineData(7, 1, 100)]
    [InlineData(7, 3, 40)]
    [InlineData(7, 256, 5000)]
    [InlineData(7, 300, 2100)]
    public void The_rows_of_a_tile_lie_within_the_span_wherever_it_begins(int pitch, int group, long groupPitch)
    {
        GemmRows rows = new(pitch, group, groupPitch);
        foreach (int count in new[] { 1, 2, 64, 256 })
        {
            long widest = Enumerable.Range(0, 2000).Max(first => rows.Offset(first + count - 1) - rows.Offset(first));
            Assert.Equal(widest, rows.Span(count));
        }
    }

    [Fact]
    public void Rows_of_a_tile_that_32_bits_cannot_reach_are_refused()
    {
        // Rows 0 to 254 lie close together; the jump to the next group comes in the second tile.
        GemmShape shape = new(600, 64, 64, ElementType.BF16, ElementType.BF16, GemmEpilogue.Bias) { ARows = new(64, 300, 3L << 30) };
        Assert.Contains("4 GiB", Assert.Throws<NotSupportedException>(() => GemmKernel.SelectConfig(shape, DeviceLimits.H200)).Message);
    }
}
