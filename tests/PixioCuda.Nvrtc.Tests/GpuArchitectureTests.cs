using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

public sealed class GpuArchitectureTests
{
    private static readonly int[] Nvrtc124 = [50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90];

    [Theory]
    [InlineData(8, 0, "sm_80")]
    [InlineData(8, 6, "sm_86")]
    [InlineData(8, 7, "sm_87")]
    [InlineData(8, 8, "sm_87")]
    [InlineData(8, 9, "sm_89")]
    [InlineData(9, 0, "sm_90a")]
    public void A_device_gets_code_of_its_own_or_the_newest_below_it(int major, int minor, string expected)
        => Assert.Equal(expected, GpuArchitecture.Select(new ComputeCapability(major, minor), Nvrtc124, "NVRTC 12.4").Name);

    [Theory]
    [InlineData(10, 0)]
    [InlineData(12, 1)]
    public void A_device_newer_than_the_compiler_is_told_what_helps(int major, int minor)
    {
        NotSupportedException exception = Assert.Throws<NotSupportedException>(
            () => GpuArchitecture.Select(new ComputeCapability(major, minor), Nvrtc124, "NVRTC 12.4 (/opt/libnvrtc.so.12)"));
        Assert.Contains($"compute capability {major}.{minor}", exception.Message, StringComparison.Ordinal);
        Assert.Contains("NVRTC 12.4 (/opt/libnvrtc.so.12) knows no architecture", exception.Message, StringComparison.Ordinal);
        Assert.Contains("pip install --upgrade nvidia-cuda-nvrtc-cu12", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_newer_device_of_a_known_family_gets_the_familys_code()
        => Assert.Equal("sm_120", GpuArchitecture.Select(new ComputeCapability(12, 1), [90, 100, 120], "NVRTC 12.8").Name);

    [Fact]
    public void A_device_before_Ampere_is_refused()
        => Assert.Contains(
            "need a GPU of compute capability 8.0 or later",
            Assert.Throws<NotSupportedException>(
                () => GpuArchitecture.CandidatesFor(new ComputeCapability(7, 5))).Message, StringComparison.Ordinal);

    [Fact]
    public void Names_are_those_of_NVRTC()
    {
        GpuArchitecture hopper = GpuArchitecture.Sm90A;
        Assert.Equal(("sm_90a", "compute_90a", 90), (hopper.Name, hopper.VirtualName, hopper.Number));
        Assert.Equal(
            ["sm_86", "sm_85", "sm_84", "sm_83", "sm_82", "sm_81", "sm_80"],
            GpuArchitecture.CandidatesFor(new ComputeCapability(8, 6)).Select(candidate => candidate.Name));
    }
}
