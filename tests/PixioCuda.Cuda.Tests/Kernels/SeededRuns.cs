using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Launches of one kernel under many interleavings, all of which must give the same bits.</summary>
internal static class SeededRuns
{
    public const int SeedCount = 8;

    /// <summary>The bits of a result that every seed agrees on. The memory it is written to is new each time, so that the emulated driver
    /// finds every byte that a launch leaves out when it is read back.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="byteCount">Of the result.</param>
    /// <param name="work">What a launch may move; null where the test does not count.</param>
    /// <param name="raggedBytes">What tails and rows that are no multiple of a sector add.</param>
    /// <param name="launch">Launches the kernel on a stream, with the result's address.</param>
    /// <param name="seeds">How many interleavings.</param>
    public static byte[] Run(
        GpuDevice device, long byteCount, KernelWork? work, long raggedBytes, Action<GpuStream, DevicePointer<byte>> launch, int seeds = SeedCount)
    {
        using GpuStream stream = device.CreateStream();
        byte[]? first = null;
        for (int seed = 1; seed <= seeds; seed++)
        {
            Emulator.SetSeed((ulong)seed);
            using DeviceMemory<byte> result = device.Allocate<byte>(byteCount);
            _ = Emulator.TakeTraffic();
            launch(stream, result.Pointer);
            stream.Synchronize();
            if (work is { } declared)
                TrafficAssert.IsAsDeclared(declared, raggedBytes);
            byte[] bytes = Numbers.Download(device, result);
            first ??= bytes;
            Assert.Equal(first, bytes);
        }

        return first!;
    }
}
