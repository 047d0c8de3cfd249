using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>The soak on the CPU. Alone, since it counts what belongs to the whole process.</summary>
[Collection(nameof(ProcessAlone))]
[Trait("Category", "Soak")]
public class SoakTests
{
    [Fact]
    public async Task Sixteen_threads_and_a_model_that_comes_and_goes_leave_no_wrong_bit_and_nothing_behind()
    {
        // What earlier tests left to finalizers may go meanwhile: fewer bytes than at the beginning are no leak.
        long before = AlignedBuffer.LiveByteCount;
        await SoakAssert.LeavesNothingAsync(
            async duration => SoakAssert.Covered(await new Soak(new PixioModelOptions { Device = "cpu", Threads = 3 }).RunAsync(duration)),
            Soak.Duration, () => Math.Max(0, AlignedBuffer.LiveByteCount - before));
    }
}
