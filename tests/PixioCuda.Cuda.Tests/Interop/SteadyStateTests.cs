using PixioCuda.Interop;
using PixioCuda.Tests;
using Xunit;

namespace PixioCuda.Cuda.Tests.Interop;

/// <summary>What runs for every picture allocates no managed memory.</summary>
public sealed class SteadyStateTests
{
    [Fact]
    public void Launches_copies_and_events_allocate_nothing()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        using GpuEvent done = device.CreateEvent();
        using PinnedMemory<float> pinned = device.AllocatePinned<float>(64);
        using DeviceMemory<float> x = device.Allocate<float>(64), y = device.Allocate<float>(64);
        pinned.Span.Fill(1);
        LoadedKernel kernel = device.LoadKernel(TestKernels.Axpy);
        TestKernels.AxpyArgs args = new() { X = x.Pointer, Y = y.Pointer, Count = 64, Factor = 2 };
        LaunchConfig config = TestKernels.ConfigFor(64);
        SteadyState.AllocatesNothing(runs: 100, Run);
        Assert.Equal(3, pinned.Span[63]);

        void Run()
        {
            pinned.Span.Fill(1);
            device.CopyAsync(stream, pinned, x);
            device.CopyAsync(stream, x, y);
            device.Launch(stream, kernel, config, args);
            device.CopyAsync(stream, y, pinned);
            device.MemsetAsync(stream, y, 0);
            stream.Record(done);
            stream.Wait(done);
            _ = done.IsComplete;
            stream.Synchronize();
        }
    }
}
