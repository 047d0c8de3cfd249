using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Three products of which each begins before the one in front of it has ended; the third adds to what the second wrote, in
/// place.</summary>
internal static class GemmChain
{
    private const int Seeds = 8;

    /// <summary>Holds the results of products that follow each other at once to those of products that wait for each other.</summary>
    /// <param name="device">Where they run.</param>
    /// <param name="m">Rows.</param>
    /// <param name="d">Columns of all matrices, and rows of W.</param>
    /// <param name="kernelOf">The kernel of a product.</param>
    public static void Check(GpuDevice device, int m, int d, Func<GemmShape, GemmKernel> kernelOf)
    {
        GemmShape stream = new(m, d, d, ElementType.BF16, ElementType.F32, GemmEpilogue.Bias);
        GemmShape inner = new(m, d, d, ElementType.BF16, ElementType.BF16, GemmEpilogue.BiasGelu);
        GemmShape sum = stream with { Epilogue = GemmEpilogue.BiasResidual };
        GemmKernel first = kernelOf(inner), second = kernelOf(stream), third = kernelOf(sum);
        using DeviceMemory<byte> a = Numbers.Upload(device, Numbers.Normal("a", m * d), ElementType.BF16);
        using DeviceMemory<byte> w = Numbers.Upload(device, Numbers.Normal("w", d * d, 0.1), ElementType.BF16);
        using DeviceMemory<float> bias = Numbers.Upload(device, Numbers.Normal("bias", d));
        using DeviceMemory<byte> x = device.Allocate<byte>(m * d * 4), hidden = device.Allocate<byte>(m * d * 2);
        using GpuStream queue = device.CreateStream();

        byte[] expected = Run(wait: true, 1);
        for (ulong seed = 2; seed <= Seeds; seed++)
            Assert.Equal(expected, Run(wait: false, seed));

        byte[] Run(bool wait, ulong seed)
        {
            DevicePointer<byte> none = DevicePointer<byte>.Null;
            Emulator.SetSeed(seed);
            first.Launch(queue, a.Pointer, w.Pointer, bias.Pointer, none, hidden.Pointer);
            Wait();
            second.Launch(queue, hidden.Pointer, w.Pointer, bias.Pointer, none, x.Pointer);
            Wait();
            third.Launch(queue, hidden.Pointer, w.Pointer, bias.Pointer, x.Pointer, x.Pointer);
            queue.Synchronize();
            return Numbers.Download(device, x);

            void Wait()
            {
                if (wait)
                    queue.Synchronize();
            }
        }
    }
}
