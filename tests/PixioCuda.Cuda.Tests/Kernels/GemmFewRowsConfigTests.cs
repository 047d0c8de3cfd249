using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Which products of few rows go another way where bits may depend on the batch.</summary>
public sealed class GemmFewRowsConfigTests
{
    private static readonly GemmShape Fc2 = new(264, 1280, 5120, ElementType.BF16, ElementType.F32, GemmEpilogue.BiasResidual);

    [Fact]
    public void Few_rows_go_the_fast_way_only_where_it_is_asked_for()
    {
        Assert.IsType<WarpgroupGemmConfig>(GemmKernel.SelectConfig(Fc2, DeviceLimits.H200));
        Assert.IsType<FewRowsGemmConfig>(GemmKernel.SelectConfig(Fc2, DeviceLimits.H200, fast: true));
        Assert.IsType<WarpgroupGemmConfig>(GemmKernel.SelectConfig(Fc2 with { M = 64 * 264 }, DeviceLimits.H200, fast: true));
        Assert.Empty(FewRowsGemmTiles.Candidates(Fc2 with { M = 64 * 264 }, DeviceLimits.H200));
        GemmShape[] others =
        [
            Fc2 with { K = 60 }, Fc2 with { N = 60 }, Fc2 with { Element = ElementType.F32 }, Fc2 with { CRows = new(1280, 8, 1 << 20) },
        ];
        Assert.All(others, shape => Assert.Empty(FewRowsGemmTiles.Candidates(shape, DeviceLimits.H200)));
        Assert.Empty(FewRowsGemmTiles.Candidates(Fc2, DeviceLimits.A100));
    }

    [Fact]
    public void Every_configuration_fits_and_covers_the_product()
    {
        IEnumerable<GemmShape> shapes = GemmShapes.OfPresets().Concat(GemmShapes.Odd())
            .Where(shape => WarpgroupGemmTiles.Allows(shape, DeviceLimits.H200) && shape.M <= 1100).Where((_, number) => number % 7 == 0);
        int count = 0;
        foreach (GemmShape shape in shapes)
        {
            foreach (GemmEstimate estimate in FewRowsGemmTiles.Candidates(shape, DeviceLimits.H200))
            {
                var config = (FewRowsGemmConfig)estimate.Config;
                Assert.True(config.SharedBytes <= DeviceLimits.H200.SharedBytesPerBlock, config.Name);
                Assert.True(config.SumBytes <= config.Stages * (config.BlockM + config.BlockN) * 128, config.Name);
                Assert.InRange(config.Cluster, 1, 8);
                Assert.True(config.Clusters(shape) * config.Cluster <= 2 * DeviceLimits.H200.SmCount, config.Name);
                Assert.True(config.Clusters(shape) * config.ClusterM * config.ClusterN >= config.Tiles(shape).Rows * config.Tiles(shape).Columns);
                AssertParts(config.BlockM, config.ClusterN, config.PartsM);
                AssertParts(config.BlockN, config.ClusterM, config.PartsN);
                Assert.True(estimate.Cycles > 0 && double.IsFinite(estimate.Cycles), config.Name);
                count++;
            }
        }

        Assert.True(count > 1000, $"only {count} configurations");
    }

    private static void AssertParts(int rows, int blocks, (int Rows, int Last) parts)
    {
        int count = ((rows - parts.Last) / parts.Rows) + 1;
        Assert.Equal(rows, ((count - 1) * parts.Rows) + parts.Last);
        Assert.InRange(count, 1, blocks);
        Assert.InRange(parts.Last, 8, parts.Rows);
        Assert.Equal((0, 0), (parts.Rows % 8, parts.Last % 8));
    }
}
