using PixioCuda.Tests.Hosting;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The soak on the emulated driver, or on a GPU.</summary>
[Collection(nameof(EmulatorAlone))]
[Trait("Category", "Soak")]
public sealed class CudaSoakTests
{
    [Fact]
    public async Task Sixteen_threads_and_a_model_that_comes_and_goes_leave_no_wrong_bit_and_no_handle()
    {
        Emulator.Require();
        PixioModelOptions options = new() { Device = "cuda", Precision = PixioPrecision.BF16, CudaSessions = 2, WeightRingByteCount = 4 << 20 };
        await SoakAssert.LeavesNothingAsync(
            async duration => SoakAssert.Covered(await new Soak(options).RunAsync(duration)),
            Soak.Duration, () => Emulator.IsHardware ? default : Emulator.Live(),
            isResidentFlat: Emulator.IsHardware);
        if (!Emulator.IsHardware)
            Assert.Equal("", Emulator.TakeViolations());
    }
}
