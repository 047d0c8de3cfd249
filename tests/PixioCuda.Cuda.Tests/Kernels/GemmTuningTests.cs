using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

// Alone: the environment is the process's.
[Collection(nameof(EmulatorAlone))]
public sealed class GemmTuningTests
{
    [Fact]
    public void A_choice_by_hand_is_one_of_the_configurations()
    {
        GemmShape shape = new(264, 1280, 1280, ElementType.BF16, ElementType.BF16, GemmEpilogue.Bias);
        try
        {
            Environment.SetEnvironmentVariable(GemmTuning.Variable, "pingpong-64x128-8-2x1");
            var chosen = (WarpgroupGemmConfig)GemmTuning.Chosen(shape, DeviceLimits.H200)!;
            Assert.Equal((64, 128, true, 2, 1), (chosen.BlockM, chosen.BlockN, chosen.PingPong, chosen.ClusterM, chosen.ClusterN));
            Assert.Null(GemmTuning.Chosen(shape with { K = 60 }, DeviceLimits.H200));
            Environment.SetEnvironmentVariable(GemmTuning.Variable, "coop-1x1-1-1x1");
            string message = Assert.Throws<ArgumentException>(() => GemmTuning.Chosen(shape, DeviceLimits.H200)).Message;
            Assert.Contains("it can have coop-128x256-4-1x1, ", message, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable(GemmTuning.Variable, null);
        }

        Assert.Null(GemmTuning.Chosen(shape, DeviceLimits.H200));
    }
}
