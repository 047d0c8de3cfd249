using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Holds what a launch moved, as the emulator counts it, against what the kernel's header declares.</summary>
internal static class TrafficAssert
{
    /// <summary>No bank conflict, and at most 1.1 times the declared bytes: whole sectors of 32 bytes as the warps ask for them.</summary>
    /// <param name="work">The declaration.</param>
    /// <param name="raggedBytes">What tails and rows that are no multiple of a sector add, by the kernel's own geometry.</param>
    public static void IsAsDeclared(KernelWork work, long raggedBytes = 0)
    {
        if (Emulator.IsHardware)
            return;
        Emulator.Traffic traffic = Emulator.TakeTraffic();
        Assert.True(traffic.BankConflicts == 0, $"{traffic.BankConflicts} bank conflicts in {traffic.SharedAccesses} passes through shared memory");
        AssertBytes("read", traffic.GlobalReadBytes, work.GlobalReadBytes, raggedBytes);
        AssertBytes("written", traffic.GlobalWriteBytes, work.GlobalWriteBytes, raggedBytes);
    }

    private static void AssertBytes(string what, ulong actual, long declared, long raggedBytes)
        => Assert.True(actual <= (1.1 * declared) + raggedBytes, $"{actual} bytes of global memory {what}, {declared} declared");
}
