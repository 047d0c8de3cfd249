using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests.Interop;

/// <summary>Alone on the devices: a primary context that dies does so for everyone in the process.</summary>
[CollectionDefinition(nameof(AloneOnTheDevices), DisableParallelization = true)]
public sealed class AloneOnTheDevices;

[Collection(nameof(AloneOnTheDevices))]
public sealed class DeadContextTests
{
    [Fact]
    public void After_an_illegal_address_every_call_names_that_first_error()
    {
        Emulator.Require();
        if (Emulator.IsHardware)
            Assert.Skip("On a GPU this would end the other tests' context too.");
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        using GpuEvent @event = device.CreateEvent();
        using PinnedMemory<float> pinned = device.AllocatePinned<float>(64);
        DeviceMemory<float> memory = device.Allocate<float>(64);
        LoadedKernel axpy = device.LoadKernel(TestKernels.Axpy), stray = device.LoadKernel(TestKernels.Stray);
        TestKernels.AxpyArgs args = new() { X = memory.Pointer, Y = memory.Pointer, Count = 64, Factor = 1 };

        CudaException first = Assert.Throws<CudaException>(() =>
        {
            device.Launch(stream, stray, TestKernels.ConfigFor(64), args);
            stream.Synchronize();
        });
        Assert.Equal(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, first.Result);
        Assert.Same(first, device.FirstError);

        foreach (Action call in (Action[])[
            () => device.Allocate<float>(1), () => device.AllocatePinned<float>(1), () => device.CreateStream(), () => device.CreateEvent(),
            () => _ = device.MemoryInfo, () => device.Upload(memory, new float[1]), () => device.Download(memory, new float[1]),
            () => device.CopyAsync(stream, pinned, memory), () => device.CopyAsync(stream, memory, pinned),
            () => device.CopyAsync(stream, memory, memory),
            () => device.MemsetAsync(stream, memory, 0), () => device.Launch(stream, axpy, TestKernels.ConfigFor(64), args),
            () => device.LoadKernel(TestKernels.Shared(1024)), () => stream.Synchronize(), () => _ = stream.IsIdle,
            () => stream.Record(@event),
            () => stream.Wait(@event), () => @event.Synchronize(), () => _ = @event.IsComplete, () => stream.Capture(() => { })])
        {
            CudaException later = Assert.Throws<CudaException>(call);
            Assert.Equal(first.Result, later.Result);
            Assert.StartsWith($"{device.Info.Title} can no longer be used by this process", later.Message, StringComparison.Ordinal);
            Assert.Contains(first.Message, later.Message, StringComparison.Ordinal);
            Assert.Same(first, later.InnerException);
        }

        // The other devices go on; and letting go of everything ends the context, so that the next one is whole.
        if (GpuDevice.List().Count > 1)
        {
            using var other = GpuDevice.Open(1);
            using DeviceMemory<float> there = other.Allocate<float>(1);
            other.Upload(there, [1f]);
        }

        memory.Dispose();
        pinned.Dispose();
        @event.Dispose();
        stream.Dispose();
        device.Dispose();
        using GpuDevice again = Emulator.Open();
        using DeviceMemory<float> whole = again.Allocate<float>(64);
        again.Upload(whole, new float[64]);
        Assert.Null(again.FirstError);
    }
}
