using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests.Interop;

public sealed class GpuMemoryTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(1023)]
    [InlineData((4 << 20) / sizeof(float))]
    [InlineData(((9 << 20) / sizeof(float)) + 1)]
    public void What_goes_up_comes_down(int count)
    {
        using GpuDevice device = Emulator.Open();
        float[] values = [.. Enumerable.Range(0, count).Select(index => (index * 0.5f) - 7)];
        using DeviceMemory<float> memory = device.Allocate<float>(count + 1);
        device.Upload(memory, values);
        float[] back = new float[count];
        device.Download(memory, back);
        Assert.Equal(values, back);
        Assert.Equal((count + 1L, 4 * (count + 1L)), (memory.Count, memory.ByteCount));
    }

    [Fact]
    public void Copies_on_a_stream_go_where_they_are_told()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        using PinnedMemory<int> up = device.AllocatePinned<int>(100), down = device.AllocatePinned<int>(100);
        using DeviceMemory<int> first = device.Allocate<int>(100), second = device.Allocate<int>(100);
        for (int index = 0; index < 100; index++)
            up.Span[index] = index;
        down.Span.Fill(-1);

        device.MemsetAsync(stream, second, 0xFF);
        device.CopyAsync(stream, up, first);
        device.CopyAsync(stream, first.Pointer[10], second.Pointer[20], 30);
        device.CopyAsync(stream, up, 90, second.Pointer[0], 5);
        device.MemsetAsync(stream, second.Pointer[98], 0, 2);
        device.CopyAsync(stream, second, down);
        stream.Synchronize();
        int[] expected = [.. Enumerable.Repeat(-1, 100)];
        for (int index = 0; index < 30; index++)
            expected[20 + index] = 10 + index;
        for (int index = 0; index < 5; index++)
            expected[index] = 90 + index;
        expected[98] = expected[99] = 0;
        Assert.Equal(expected, down.Span.ToArray());

        device.CopyAsync(stream, first, second);
        device.CopyAsync(stream, second.Pointer[99], down, 7, 1);
        stream.Synchronize();
        Assert.Equal(99, down.Span[7]);
        Assert.Equal(93, down.Span[3]);
    }

    [Fact]
    public void No_elements_are_a_size_too()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        using DeviceMemory<double> memory = device.Allocate<double>(0);
        using PinnedMemory<double> pinned = device.AllocatePinned<double>(0);
        Assert.True(memory.Pointer.IsNull);
        Assert.True(pinned.Span.IsEmpty);
        device.CopyAsync(stream, pinned, memory);
        device.CopyAsync(stream, memory, pinned);
        device.CopyAsync(stream, memory, memory);
        device.MemsetAsync(stream, memory, 1);
        device.Upload(memory, []);
        device.Download(memory, []);
        stream.Synchronize();
    }

    [Fact]
    public void Ranges_outside_a_memory_are_refused()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        using DeviceMemory<int> memory = device.Allocate<int>(10);
        using PinnedMemory<int> pinned = device.AllocatePinned<int>(11);
        Assert.Throws<ArgumentOutOfRangeException>(() => device.CopyAsync(stream, pinned, memory));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.CopyAsync(stream, pinned, 2, memory.Pointer, 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.CopyAsync(stream, pinned, -1, memory.Pointer, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.CopyAsync(stream, memory.Pointer, pinned, long.MaxValue, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.CopyAsync(stream, memory.Pointer, memory.Pointer, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.Upload(memory, new int[11]));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.Download(memory, new int[11]));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.Allocate<int>(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.Allocate<long>(long.MaxValue / 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => pinned.Slice(8, 4));
        Assert.Equal(3, pinned.Slice(8, 3).Length);
    }

    [Fact]
    public void More_memory_than_there_is_is_refused_with_the_numbers()
    {
        using GpuDevice device = Emulator.Open();
        long total = device.MemoryInfo.Total;
        CudaException exception = Assert.Throws<CudaException>(() => device.Allocate<byte>(total + 1));
        Assert.Equal(CUresult.CUDA_ERROR_OUT_OF_MEMORY, exception.Result);
        Assert.Equal("cuMemAlloc_v2", exception.Function);
        Assert.StartsWith(FormattableString.Invariant($"Allocating {total + 1:N0} bytes (free are "), exception.Message,
            StringComparison.Ordinal);
        Assert.Contains(
            FormattableString.Invariant($" of {total:N0}) on {device.Info.Title} failed: cuMemAlloc_v2 gave CUDA_ERROR_OUT_OF_MEMORY (2)"),
            exception.Message, StringComparison.Ordinal);
        Assert.Contains("smaller batch", exception.Message, StringComparison.Ordinal);
        // Not the end of the device.
        Assert.Null(device.FirstError);
        using DeviceMemory<byte> memory = device.Allocate<byte>(1000);
        Assert.False(memory.Pointer.IsNull);
    }

    [Fact]
    public void The_tensor_map_rules_are_named()
    {
        var good = new TensorMapSpec(TensorMapType.BFloat16, 0x1000, [1280, 257], [2560], [64, 128]) { Swizzle = TensorMapSwizzle.Span128 };
        TensorMapRules.Check(good);
        foreach ((TensorMapSpec spec, string rule) in ((TensorMapSpec, string)[])[
            (good with { Address = 0x1008 }, "its address 0x1008 is no multiple of 16"),
            (good with { Dims = [] }, "it has 0 dimensions"),
            (good with { Dims = [1280, 0] }, "its extent 0 of dimension 1"),
            (good with { StridesInBytes = [2568] }, "its stride 2568 of dimension 1"),
            (good with { StridesInBytes = [] }, "it has 0 strides"),
            (good with { Box = [64, 257] }, "its box's extent 257 of dimension 1"),
            (good with { Box = [64] }, "its box has 1 dimensions"),
            (good with { Box = [65, 128] }, "a row of its box has 130 bytes, no multiple of 16"),
            (good with { Box = [72, 128] }, "a row of its box has 144 bytes, more than the swizzle's 128")])
        {
            Assert.Contains(rule, Assert.Throws<ArgumentException>(() => TensorMapRules.Check(spec)).Message, StringComparison.Ordinal);
        }
    }
}
