using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>A whole life of a device, in which every call of the driver and of NVRTC fails in turn: the error says which, and nothing
/// leaks.</summary>
[Collection(nameof(EmulatorAlone))]
[Trait(Emulator.Category, Emulator.Only)]
public sealed class FaultInjectionTests
{
    private const string Text = "KERNEL(add_one, SnippetArgs) { args.output[threadIdx.x] = args.input[threadIdx.x] + 1; }";

    // No folder can be made there: every life compiles its kernel.
    private static readonly KernelCache NoCache = KernelCache.Open("/proc/version/none");

    [Theory]
    // An error like any other, one that the product looks at, and one that ends the context.
    [InlineData(999)]
    [InlineData((int)CUresult.CUDA_ERROR_OUT_OF_MEMORY)]
    [InlineData((int)CUresult.CUDA_ERROR_LAUNCH_FAILED)]
    public void Every_call_may_fail(int result)
    {
        Emulator.RequireEmulation();
        KernelSource source;
        using (Snippet snippet = new(Text))
            source = snippet.Source("add_one");
        Emulator.SetSeed(1);
        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        ulong bodyCalls = Live(source), allCalls = Emulator.CallCount;
        Emulator.LiveHandles before = Emulator.Live();
        Assert.Equal(default, before);
        Assert.InRange(bodyCalls, 100u, allCalls - 10);

        HashSet<string> failed = [];
        for (ulong n = 1; n <= allCalls; n++)
        {
            Emulator.SetSeed(1);
            Emulator.FailAt(n, (CUresult)result);
            Exception? exception = Record.Exception(() => { Live(source); });
            string function = Emulator.FailedFunction;
            Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
            Assert.NotEqual("", function);
            failed.Add(function);
            bool isRelease = n > bodyCalls || IsRelease(function);
            AssertRightException(exception, function, (CUresult)result, isRelease, $"call {n}, {function}");
            Assert.True(before == Emulator.Live(), $"After the failure of call {n}, {function}, there are left {Emulator.Live()}.");
        }

        // Work that waits when its memory is freed is what a failure in between leads to.
        _ = Emulator.TakeViolations();
        Assert.Superset(new HashSet<string>(StringComparer.Ordinal)
        {
            "cuInit", "cuDeviceGet", "cuDeviceGetAttribute", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2", "cuCtxSetCurrent",
            "cuStreamCreate",
            "cuStreamDestroy_v2", "cuStreamSynchronize", "cuStreamWaitEvent", "cuEventCreate", "cuEventDestroy_v2", "cuEventRecord",
            "cuEventSynchronize",
            "cuEventElapsedTime", "cuMemAlloc_v2", "cuMemFree_v2", "cuMemHostAlloc", "cuMemFreeHost", "cuMemcpyHtoDAsync_v2",
            "cuMemcpyDtoHAsync_v2",
            "cuMemsetD8Async", "cuModuleLoadDataEx", "cuModuleUnload", "cuModuleGetFunction", "cuFuncGetAttribute", "cuLaunchKernelEx",
            "cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags", "cuGraphLaunch", "cuGraphDestroy",
            "cuGraphExecDestroy",
            "nvrtcCreateProgram", "nvrtcCompileProgram", "nvrtcGetCUBIN", "nvrtcDestroyProgram",
        }, failed);
    }

    private static void AssertRightException(Exception? exception, string function, CUresult result, bool isRelease, string what)
    {
        switch (exception)
        {
            case null:
                Assert.True(isRelease, $"{what}: nothing was said of its failure.");
                break;
            case CudaException cuda:
                Assert.Equal((function, result), (cuda.Function, cuda.Result));
                break;
            default:
                Assert.True(function.StartsWith("nvrtc", StringComparison.Ordinal), $"{what}: {exception}");
                Assert.True(exception is CudaLibraryException or KernelCompilationException, $"{what}: {exception}");
                break;
        }
    }

    // What is let go has nobody to tell; it must be let go all the same.
    private static bool IsRelease(string function)
        => function.Contains("Destroy", StringComparison.Ordinal) || function.Contains("Free", StringComparison.Ordinal)
            || function.Contains("Unload", StringComparison.Ordinal) || function.Contains("Release", StringComparison.Ordinal);

    /// <summary>Uses all there is. The calls until the end of use, before all is disposed.</summary>
    private static ulong Live(KernelSource source)
    {
        using GpuDevice device = GpuDevice.Open(0, NoCache);
        using GpuStream stream = device.CreateStream(), side = device.CreateStream();
        using GpuEvent start = device.CreateEvent(timing: true), end = device.CreateEvent(timing: true);
        using DeviceMemory<uint> input = device.Allocate<uint>(64), output = device.Allocate<uint>(64);
        using PinnedMemory<uint> pinned = device.AllocatePinned<uint>(64);
        LoadedKernel kernel = device.LoadKernel(source);
        SnippetArgs args = new() { Input = input.Pointer, Output = output.Pointer };

        pinned.Span.Fill(1);
        stream.Record(start);
        device.CopyAsync(stream, pinned, input);
        device.Launch(stream, kernel, new LaunchConfig(1, 64), args);
        stream.Record(end);
        side.Wait(end);
        device.MemsetAsync(side, input, 0);
        side.Synchronize();
        end.Synchronize();
        Assert.True(end.IsComplete);
        Assert.True(end.ElapsedMilliseconds(start) >= 0);

        using GpuGraph graph = stream.Capture(() =>
        {
            device.CopyAsync(stream, pinned, input);
            device.Launch(stream, kernel, new LaunchConfig(1, 64), args);
            device.CopyAsync(stream, output, pinned);
        });
        using GpuGraphExec exec = graph.Instantiate();
        exec.SetKernelArguments(graph.KernelNodes()[0], kernel, new LaunchConfig(1, 64), args);
        Assert.True(exec.TryUpdate(graph));
        exec.Launch(stream);
        stream.Synchronize();
        Assert.True(stream.IsIdle);
        Assert.Equal(2u, pinned.Span[63]);

        uint[] words = new uint[64];
        device.Upload(input, (ReadOnlySpan<uint>)words);
        device.CopyAsync(stream, input, output);
        stream.Synchronize();
        device.Download(output, words.AsSpan());
        Assert.True(device.MemoryInfo.Total > 0);
        return Emulator.CallCount;
    }
}
