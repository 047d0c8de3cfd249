using System.Globalization;
using System.Runtime.InteropServices;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda.Tests.Interop;

/// <summary>Kernels of a few lines, to test what launches them.</summary>
internal static class TestKernels
{
    public const int Threads = 64;

    /// <summary>y[i] += factor * x[i].</summary>
    public static KernelSource Axpy { get; } = Source("axpy", "if (i < args.count) args.y[i] += args.factor * args.x[i];");

    /// <summary>Writes 64 KB behind the end of y, whatever the count.</summary>
    public static KernelSource Stray { get; } = Source("stray", "args.y[args.count + 16384 + i] = args.factor;");

    /// <summary>As <see cref="Axpy"/>, by way of the last bytes of so much shared memory.</summary>
    public static KernelSource Shared(int sharedBytes) => Source(
        "shared", """
        SHARED_MEMORY(smem);
        float* own = reinterpret_cast<float*>(smem + SHARED_BYTES) - kThreads;
        own[threadIdx.x] = i < args.count ? args.x[i] : 0.0f;
        if (i < args.count) args.y[i] += args.factor * own[threadIdx.x];
        """) with
    { Defines = [new KernelDefine("SHARED_BYTES", sharedBytes.ToString(CultureInfo.InvariantCulture))] };

    /// <summary>A source with an undeclared name in its last line.</summary>
    public static KernelSource Broken { get; } = Source("broken", "args.y[i] = undeclared;");

    public static LaunchConfig ConfigFor(int count, int sharedBytes = 0)
        => new((count + Threads - 1) / Threads, Threads, SharedBytes: sharedBytes);

    private static unsafe KernelSource Source(string entry, string body) => new(
        $"{entry}.cu",
        $$"""
        #include "device.cuh"
        constexpr u32 kThreads = {{Threads}}, kBlocksPerSm = 1;
        struct Args { const float* x; float* y; u32 count; float factor; };
        KERNEL({{entry}}, Args) {
            const u32 i = blockIdx.x * kThreads + threadIdx.x;
            {{body}}
        }
        """,
        [new KernelInclude("device.cuh", KernelText.Read("device.cuh"))], [], entry, sizeof(AxpyArgs));

    /// <summary>The arguments of all of them.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct AxpyArgs
    {
        public DevicePointer<float> X;
        public DevicePointer<float> Y;
        public uint Count;
        public float Factor;
    }
}
