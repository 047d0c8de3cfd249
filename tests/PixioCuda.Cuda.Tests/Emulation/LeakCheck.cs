using PixioCuda.Cuda.Tests;
using Xunit;

[assembly: AssemblyFixture(typeof(LeakCheck))]

namespace PixioCuda.Cuda.Tests;

/// <summary>When all tests have run, nothing may be left in the emulated driver, and nobody may have freed memory that work in waiting
/// uses.</summary>
public sealed class LeakCheck : IDisposable
{
    public void Dispose()
    {
        if (Emulator.IsHardware || !Emulator.IsLoaded)
            return;
        // What a failed test has left to the finalizers is not what this is about.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal("", Emulator.TakeViolations());
        Assert.Equal(default, Emulator.Live());
    }
}
