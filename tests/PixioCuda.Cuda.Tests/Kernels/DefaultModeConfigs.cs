using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>What the default mode can choose for a product on sm_90a: all of it must give the same bits.</summary>
internal static class DefaultModeConfigs
{
    // There are hundreds for few rows, which differ in little.
    private const int FewRowsForEachOther = 60;

    /// <summary>Every n-th configuration of gemm_sm90.cu and, since there are so many, every 60n-th of gemm_few_sm90.cu.</summary>
    public static IReadOnlyList<GemmConfig> Some(GemmShape shape, int everyNth)
    {
        // How many multiprocessors an emulated device has does not decide what a product can go by here.
        GemmConfig[] warpgroups = [.. WarpgroupGemmTiles.Candidates(shape, DeviceLimits.H200).Select(estimate => estimate.Config)];
        GemmConfig[] fewRows = [.. FewRowsGemmTiles.Candidates(shape, DeviceLimits.H200, splitsK: false).Select(estimate => estimate.Config)];
        Assert.True(warpgroups.Length > 40 && fewRows.Length > 200, $"few configurations: {warpgroups.Length} and {fewRows.Length}");
        return [.. Every(warpgroups, everyNth), .. Every(fewRows, everyNth * FewRowsForEachOther)];
    }

    /// <summary>What gemm_sm90.cu would be chosen as, whether gemm_few_sm90.cu takes less time or not.</summary>
    public static GemmConfig OfWarpgroups(GemmShape shape)
        => WarpgroupGemmTiles.Candidates(shape, DeviceLimits.H200).MinBy(estimate => estimate.Cycles)!.Config;

    /// <summary>And what gemm_few_sm90.cu would be, where it can be taken.</summary>
    public static GemmConfig OfFewRows(GemmShape shape)
        => FewRowsGemmTiles.Candidates(shape, DeviceLimits.H200, splitsK: false).MinBy(estimate => estimate.Cycles)!.Config;

    private static IEnumerable<GemmConfig> Every(GemmConfig[] configs, int nth) => configs.Where((_, number) => number % nth == 0);
}
