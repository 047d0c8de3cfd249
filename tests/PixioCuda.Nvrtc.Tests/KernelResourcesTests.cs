using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

public sealed class KernelResourcesTests
{
    [Fact]
    public void A_log_of_one_kernel_and_two_functions_is_read_whole()
    {
        KernelResources resources = KernelResources.Parse("""
            ptxas info    : 0 bytes gmem
            ptxas info    : (C7515) Potential Performance Loss: wgmma.mma_async instructions are serialized due to ... in function 'k'
            ptxas info    : Compiling entry function 'k' for 'sm_90a'
            ptxas info    : Function properties for k
            ptxas         .     16 bytes stack frame, 24 bytes spill stores, 28 bytes spill loads
            ptxas info    : Used 168 registers, used 5 barriers, 1024 bytes smem, 656 bytes cmem[0]
            ptxas info    : Function properties for helper
            ptxas         .     8 bytes stack frame, 1 bytes spill stores, 2 bytes spill loads

            """);
        Assert.Equal(
            (168, 16, 25, 30, 1024, 5),
            (resources.Registers, resources.StackBytes, resources.SpillStoreBytes, resources.SpillLoadBytes, resources.StaticSharedBytes,
                resources.Barriers));
        Assert.StartsWith("ptxas info    : (C7515)", Assert.Single(resources.Advisories), StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_without_registers_is_refused()
        => Assert.Contains(
            "'Used N registers'", Assert.Throws<FormatException>(() => KernelResources.Parse("nothing")).Message, StringComparison.Ordinal);
}
