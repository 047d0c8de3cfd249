using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests.Interop;

public sealed class GpuStreamTests
{
    [Fact]
    public void A_stream_waits_for_anothers_event()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream first = device.CreateStream(), second = device.CreateStream();
        using GpuEvent written = device.CreateEvent();
        using PinnedMemory<int> source = device.AllocatePinned<int>(1000), target = device.AllocatePinned<int>(1000);
        using DeviceMemory<int> memory = device.Allocate<int>(1000);
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            source.Span.Fill((int)seed);
            target.Span.Clear();
            device.CopyAsync(first, source, memory);
            first.Record(written);
            second.Wait(written);
            device.CopyAsync(second, memory, target);
            second.Synchronize();
            Assert.Equal(-1, target.Span.IndexOfAnyExcept((int)seed));
            // What the second stream waited for has passed.
            Assert.True(written.IsComplete);
        }
    }

    [Fact]
    public void An_event_that_is_recorded_again_on_the_stream_that_waits_for_it_keeps_the_order()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream first = device.CreateStream(), second = device.CreateStream();
        using GpuEvent used = device.CreateEvent();
        using PinnedMemory<int> source = device.AllocatePinned<int>(1000), target = device.AllocatePinned<int>(1000);
        using DeviceMemory<int> memory = device.Allocate<int>(1000);
        for (ulong seed = 1; seed <= 16; seed++)
        {
            Emulator.SetSeed(seed);
            source.Span.Fill((int)seed);
            target.Span.Clear();
            first.Wait(used);
            device.CopyAsync(first, source, memory);
            first.Record(used);
            // The record that is waited for is the first stream's, whatever is recorded afterwards.
            second.Wait(used);
            device.CopyAsync(second, memory, target);
            second.Record(used);
            used.Synchronize();
            Assert.Equal(-1, target.Span.IndexOfAnyExcept((int)seed));
        }
    }

    [Fact]
    public async Task Streams_of_two_threads_that_wait_for_each_others_earlier_work_go_on()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream first = device.CreateStream(), second = device.CreateStream();
        using GpuEvent ofFirst = device.CreateEvent(), ofSecond = device.CreateEvent();
        using DeviceMemory<int> memory = device.Allocate<int>(1000), other = device.Allocate<int>(1000);
        Task[] threads =
        [
            Task.Run(() => Work(first, ofFirst, ofSecond, memory), TestContext.Current.CancellationToken),
            Task.Run(() => Work(second, ofSecond, ofFirst, other), TestContext.Current.CancellationToken),
        ];
        await Task.WhenAll(threads).WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);

        void Work(GpuStream mine, GpuEvent done, GpuEvent awaited, DeviceMemory<int> target)
        {
            for (int round = 0; round < 2000; round++)
            {
                Emulator.SetSeed((ulong)round);
                mine.Wait(awaited);
                device.MemsetAsync(mine, target, (byte)round);
                mine.Record(done);
                if (round % 10 == 9)
                    mine.Synchronize();
            }
        }
    }

    [Fact]
    public void Events_pass_and_take_the_time()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        using GpuEvent begin = device.CreateEvent(timing: true), end = device.CreateEvent(timing: true), untimed = device.CreateEvent();
        using DeviceMemory<byte> memory = device.Allocate<byte>(1 << 20);
        stream.Record(begin);
        device.MemsetAsync(stream, memory, 1);
        stream.Record(end);
        stream.Record(untimed);
        untimed.Synchronize();
        Assert.True(begin.IsComplete && end.IsComplete && untimed.IsComplete);
        Assert.True(end.ElapsedMilliseconds(begin) >= 0);
        Assert.True(begin.ElapsedMilliseconds(end) <= 0);
        stream.Synchronize();
        Assert.True(stream.IsIdle);
        Assert.Throws<InvalidOperationException>(() => untimed.ElapsedMilliseconds(begin));
        Assert.Throws<InvalidOperationException>(() => end.ElapsedMilliseconds(untimed));
    }
}
