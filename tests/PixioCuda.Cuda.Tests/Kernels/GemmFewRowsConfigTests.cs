using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Which products of few rows go another way where bits may depend on the batch.</summary>
public sealed class GemmFewRowsConfigTests
{
    private static readonly GemmShape Fc2 = new(264, 1280, 5120, ElementType.BF16, ElementType.F32, GemmEpilogue.BiasResidual);

    [Fact]
    public void Few_rows_go_another_way_and_share_K_only_where_bits_may_change()
    {
        Assert.Equal(1, Assert.IsType<FewRowsGemmConfig>(GemmKernel.SelectConfig(Fc2, DeviceLimits.H200)).Splits);
        Assert.True(Assert.IsType<FewRowsGemmConfig>(GemmKernel.SelectConfig(Fc2, DeviceLimits.H200, fast: true)).Splits > 1);
        Assert.All(FewRowsGemmTiles.Candidates(Fc2, DeviceLimits.H200, splitsK: false), estimate => Assert.Equal(1, SplitsOf(estimate)));
        Assert.Contains(FewRowsGemmTiles.Candidates(Fc2, DeviceLimits.H200, splitsK: true), estimate => SplitsOf(estimate) > 1);
        Assert.IsType<WarpgroupGemmConfig>(GemmKernel.SelectConfig(Fc2 with { M = 64 * 264 }, DeviceLimits.H200, fast: true));
        Assert.Empty(FewRowsGemmTiles.Candidates(Fc2 with { M = 64 * 264 }, DeviceLimits.H200, splitsK: true));
        GemmShape[] others =
        [
            Fc2 with { K = 60 }, Fc2 with { N = 60 }, Fc2 with { Element = ElementType.F32 }, Fc2 with { CRows = new(1280, 8, 1 << 20) },
        ];
        Assert.All(others, shape => Assert.Empty(FewRowsGemmTiles.Candidates(shape, DeviceLimits.H200, splitsK: true)));
        Assert.Empty(FewRowsGemmTiles.Candidates(Fc2, DeviceLimits.A100, splitsK: true));
    }

    [Fact]
    public void Every_configuration_fits_and_covers_the_product()
    {
        IEnumerable<GemmShape> shapes = GemmShapes.OfPresets().Concat(GemmShapes.Odd())
            .Where(shape => WarpgroupGemmTiles.Allows(shape, DeviceLimits.H200) && shape.M <= 1100).Where((_, number) => number % 7 == 0);
        int count = 0;
        foreach (GemmShape shape in shapes)
        {
            foreach (GemmEstimate estimate in FewRowsGemmTiles.Candidates(shape, DeviceLimits.H200, splitsK: true))
            {
                var config = (FewRowsGemmConfig)estimate.Config;
                Assert.True(config.SharedBytes <= DeviceLimits.H200.SharedBytesPerBlock, config.Name);
                Assert.True(config.SumBytes <= config.Stages * (config.BlockM + config.BlockN) * 128, config.Name);
                Assert.InRange(config.Cluster, 1, ClusterCounts.Most);
                Assert.True(config.Clusters(shape) <= 2 * DeviceLimits.H200.Clusters[config.Cluster], config.Name);
                Assert.True(config.Clusters(shape) * config.ClusterM * config.ClusterN >= config.Tiles(shape).Rows * config.Tiles(shape).Columns);
                AssertParts(config.BlockM, config.ClusterN, config.PartsM);
                AssertParts(config.BlockN, config.ClusterM, config.PartsN);
                Assert.True(estimate.Cycles > 0 && double.IsFinite(estimate.Cycles), config.Name);
                count++;
            }
        }

        Assert.True(count > 1000, $"only {count} configurations");
    }

    private static int SplitsOf(GemmEstimate estimate) => ((FewRowsGemmConfig)estimate.Config).Splits;

    private static void AssertParts(int rows, int blocks, (int Rows, int Last) parts)
    {
        int count = ((rows - parts.Last) / parts.Rows) + 1;
        Assert.Equal(rows, ((count - 1) * parts.Rows) + parts.Last);
        Assert.InRange(count, 1, blocks);
        Assert.InRange(parts.Last, 8, parts.Rows);
        Assert.Equal((0, 0), (parts.Rows % 8, parts.Last % 8));
    }
}
