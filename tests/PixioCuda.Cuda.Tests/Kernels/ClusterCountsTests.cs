using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

public sealed class ClusterCountsTests
{
    [Fact]
    public void A_cluster_lies_in_one_group_of_multiprocessors()
    {
        var counts = ClusterCounts.OfGroups(18, 16, 14);
        Assert.Equal([48, 24, 15, 11, 8, 7, 6, 5], Enumerable.Range(1, 8).Select(blocks => counts[blocks]));
        Assert.Equal((2, 2), (counts[15], counts[16]));
        Assert.Equal(ClusterCounts.OfGroups(16, 16, 4), ClusterCounts.OfMultiprocessors(36));
        Assert.NotEqual(ClusterCounts.OfGroups(16, 16, 4), counts);
        // What is reported of a GPU with as many multiprocessors.
        Assert.Equal(15, DeviceLimits.H200.Clusters[8]);
        Assert.Equal(132, DeviceLimits.H200.Clusters[1]);
    }

    [Fact]
    public void The_driver_is_asked()
    {
        using GpuDevice device = Emulator.Open(new ComputeCapability(9, 0));
        ClusterCounts counts = DeviceLimits.Of(device).Clusters;
        Assert.Same(counts, ClusterCounts.Of(device));
        Assert.Equal(device.Info.SmCount, counts[1]);
        for (int blocks = 2; blocks <= ClusterCounts.Most; blocks++)
            Assert.InRange(counts[blocks], 0, counts[blocks - 1]);
        Assert.InRange(counts[8], 1, Math.Max(1, device.Info.SmCount / 8));
    }

    [Fact]
    public void Devices_without_clusters_have_their_multiprocessors()
    {
        using GpuDevice device = Emulator.Open(new ComputeCapability(8, 0));
        Assert.Equal(device.Info.SmCount, DeviceLimits.Of(device).Clusters[1]);
    }

    /// <summary>A configuration in clusters that a device has no room for is none.</summary>
    [Fact]
    public void Products_take_no_cluster_that_does_not_fit()
    {
        GemmShape fc1 = new(264, 5120, 1280, ElementType.BF16, ElementType.BF16, GemmEpilogue.BiasGelu);
        DeviceLimits small = DeviceLimits.H200 with { Clusters = ClusterCounts.OfGroups([.. Enumerable.Repeat(6, 22)]) };
        Assert.Contains(GemmKernel.Estimates(fc1, DeviceLimits.H200, fast: true), estimate => ClusterOf(estimate) > 8);
        GemmEstimate[] estimates = [.. GemmKernel.Estimates(fc1, small, fast: true)];
        Assert.NotEmpty(estimates);
        Assert.All(estimates, estimate => Assert.InRange(ClusterOf(estimate), 1, 6));
    }

    private static int ClusterOf(GemmEstimate estimate)
        => estimate.Config is FewRowsGemmConfig few ? few.Cluster : ((WarpgroupGemmConfig)estimate.Config).Cluster;
}
