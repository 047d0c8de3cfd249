using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The rules by which the driver takes calls, seen through the bindings that the product uses.</summary>
[Collection(nameof(EmulatorAlone))]
[Trait(Emulator.Category, Emulator.Only)]
public sealed unsafe class DriverRulesTests
{
    private const string Text = """
        KERNEL(add_one, SnippetArgs) { args.output[threadIdx.x] = args.input[threadIdx.x] + 1; }
        KERNEL(double_it, SnippetArgs) { args.output[threadIdx.x] = args.input[threadIdx.x] * 2; }
        KERNEL(fails, SnippetArgs) { args.output[threadIdx.x + 1 << 20] = 1; }
        """;

    [Fact]
    public void A_graph_does_what_was_recorded_with_forks_and_joins()
    {
        for (ulong seed = 1; seed <= 16; seed++)
        {
            Emulator.SetSeed(seed);
            using Snippet snippet = new(Text);
            GpuDevice device = snippet.Device;
            using GpuStream side = device.CreateStream();
            using GpuEvent fork = device.CreateEvent(), join = device.CreateEvent();
            using DeviceMemory<uint> left = device.Allocate<uint>(64), right = device.Allocate<uint>(64);
            using PinnedMemory<uint> source = device.AllocatePinned<uint>(64), target = device.AllocatePinned<uint>(128);
            LoadedKernel addOne = snippet.Load("add_one"), doubleIt = snippet.Load("double_it");
            using GpuGraph graph = snippet.Stream.Capture(() =>
            {
                device.CopyAsync(snippet.Stream, source, 0, snippet.Input.Pointer, 64);
                snippet.Stream.Record(fork);
                side.Wait(fork);
                device.Launch(side, doubleIt, new LaunchConfig(1, 64),
                    new SnippetArgs { Input = snippet.Input.Pointer, Output = right.Pointer });
                device.Launch(snippet.Stream, addOne, new LaunchConfig(1, 64),
                    new SnippetArgs { Input = snippet.Input.Pointer, Output = left.Pointer });
                side.Record(join);
                snippet.Stream.Wait(join);
                device.CopyAsync(snippet.Stream, left.Pointer, target, 0, 64);
                device.CopyAsync(snippet.Stream, right.Pointer, target, 64, 64);
            });
            Assert.Equal(5, graph.NodeCount);
            Assert.Equal([doubleIt.Function, addOne.Function], graph.KernelNodes().Select(node => node.Function));
            using GpuGraphExec exec = graph.Instantiate();
            for (uint round = 1; round <= 3; round++)
            {
                source.Span.Fill(round);
                exec.Launch(snippet.Stream);
                snippet.Stream.Synchronize();
                Assert.All(target.Slice(0, 64).ToArray(), word => Assert.Equal(round + 1, word));
                Assert.All(target.Slice(64, 64).ToArray(), word => Assert.Equal(round * 2, word));
            }

            // Other arguments for the second kernel: it overwrites what the first one made.
            exec.SetKernelArguments(graph.KernelNodes()[1], addOne, new LaunchConfig(1, 64),
                new SnippetArgs { Input = snippet.Input.Pointer, Output = snippet.Output.Pointer });
            device.MemsetAsync(snippet.Stream, left, 0);
            exec.Launch(snippet.Stream);
            snippet.Stream.Synchronize();
            Assert.All(target.Slice(0, 64).ToArray(), word => Assert.Equal(0u, word));
            Assert.All(snippet.Words(64), word => Assert.Equal(4u, word));
        }
    }

    [Fact]
    public void A_graph_is_updated_by_one_of_the_same_shape_only()
    {
        using Snippet snippet = new(Text);
        LoadedKernel addOne = snippet.Load("add_one"), doubleIt = snippet.Load("double_it");
        using GpuGraph first = Capture(addOne, 1), second = Capture(doubleIt, 1), longer = Capture(addOne, 2);
        using GpuGraphExec exec = first.Instantiate();
        Assert.True(exec.TryUpdate(second));
        Assert.False(exec.TryUpdate(longer));
        exec.Launch(snippet.Stream);
        snippet.Stream.Synchronize();
        Assert.Equal([0u, 2u, 4u], snippet.Words(64)[..3]);

        GpuGraph Capture(LoadedKernel kernel, int count) => snippet.Stream.Capture(() =>
        {
            for (int i = 0; i < count; i++)
            {
                snippet.Device.Launch(snippet.Stream, kernel, new LaunchConfig(1, 64),
                    new SnippetArgs { Input = snippet.Input.Pointer, Output = snippet.Output.Pointer });
            }
        });
    }

    [Theory]
    [InlineData("synchronise")]
    [InlineData("query")]
    [InlineData("allocate")]
    [InlineData("pin")]
    [InlineData("synchronise another stream")]
    public void Waiting_and_allocating_end_a_capture(string what)
    {
        using Snippet snippet = new(Text);
        GpuDevice device = snippet.Device;
        using GpuStream other = device.CreateStream();
        CudaException exception = Assert.Throws<CudaException>(() => snippet.Stream.Capture(() =>
        {
            switch (what)
            {
                case "synchronise": snippet.Stream.Synchronize(); break;
                case "query": _ = snippet.Stream.IsIdle; break;
                case "allocate": device.Allocate<byte>(64).Dispose(); break;
                case "pin": device.AllocatePinned<byte>(64).Dispose(); break;
                default: other.Synchronize(); break;
            }
        }));
        Assert.Equal(CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, exception.Result);

        // Who goes on all the same is told at the end.
        exception = Assert.Throws<CudaException>(() => snippet.Stream.Capture(() =>
        {
            Assert.Throws<CudaException>(snippet.Stream.Synchronize);
            CudaException launch = Assert.Throws<CudaException>(() => device.MemsetAsync(snippet.Stream, snippet.Output, 0));
            Assert.Equal(CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, launch.Result);
        }));
        Assert.Equal(CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, exception.Result);
        snippet.Run("add_one");
        Assert.Equal([1u, 2u, 3u], snippet.Words(3));
    }

    [Fact]
    public void Captures_that_do_not_end_as_they_should()
    {
        using Snippet snippet = new(Text);
        using GpuStream side = snippet.Device.CreateStream();
        using GpuEvent fork = snippet.Device.CreateEvent(), outside = snippet.Device.CreateEvent();
        AssertResult(CUresult.CUDA_ERROR_STREAM_CAPTURE_UNJOINED, () => snippet.Stream.Capture(() =>
        {
            snippet.Stream.Record(fork);
            side.Wait(fork);
            snippet.Device.MemsetAsync(side, snippet.Output, 0);
        }));
        side.Record(outside);
        AssertResult(CUresult.CUDA_ERROR_STREAM_CAPTURE_ISOLATION, () => snippet.Stream.Capture(() => snippet.Stream.Wait(outside)));
        AssertResult(CUresult.CUDA_ERROR_CAPTURED_EVENT, () => snippet.Stream.Capture(() =>
        {
            snippet.Stream.Record(fork);
            _ = fork.IsComplete;
        }));
        AssertResult(CUresult.CUDA_ERROR_ILLEGAL_STATE, () => snippet.Stream.Capture(() => snippet.Stream.Capture(() => { })));
        AssertResult(CUresult.CUDA_ERROR_STREAM_CAPTURE_MERGE, () => snippet.Stream.Capture(() =>
        {
            snippet.Stream.Record(fork);
            side.Capture(() => side.Wait(fork)).Dispose();
        }));
    }

    [Fact]
    public void Handles_must_live_and_belong_to_the_current_context()
    {
        using Snippet snippet = new(Text);
        using GpuDevice other = GpuDevice.Open(1);
        using GpuStream foreign = other.CreateStream();
        using GpuEvent foreignEvent = other.CreateEvent();
        using DeviceMemory<uint> foreignMemory = other.Allocate<uint>(64);
        AssertResult(CUresult.CUDA_ERROR_INVALID_HANDLE, () => snippet.Device.MemsetAsync(foreign, snippet.Output, 0));
        AssertResult(CUresult.CUDA_ERROR_INVALID_HANDLE, () => snippet.Stream.Record(foreignEvent));
        AssertResult(CUresult.CUDA_ERROR_INVALID_VALUE, () => snippet.Device.MemsetAsync(snippet.Stream, foreignMemory, 0));
        AssertResult(CUresult.CUDA_ERROR_INVALID_HANDLE,
            () => other.Launch(foreign, snippet.Load("add_one"), new LaunchConfig(1, 64), default(SnippetArgs)));

        snippet.Device.Context.MakeCurrent();
        Assert.Equal(CUresult.CUDA_ERROR_INVALID_HANDLE, CudaDriverApi.cuStreamSynchronize(1234));
        Assert.Equal(CUresult.CUDA_SUCCESS, CudaDriverApi.cuMemAlloc_v2(out ulong pointer, 100));
        Assert.Equal(CUresult.CUDA_ERROR_INVALID_VALUE, CudaDriverApi.cuMemFree_v2(pointer + 16));
        Assert.Equal(CUresult.CUDA_SUCCESS, CudaDriverApi.cuMemFree_v2(pointer));
        Assert.Equal(CUresult.CUDA_ERROR_INVALID_VALUE, CudaDriverApi.cuMemFree_v2(pointer));
        Assert.Contains("freed allocation of 100 bytes", Emulator.LastError(), StringComparison.Ordinal);
        Assert.Equal(CUresult.CUDA_ERROR_INVALID_VALUE,
            CudaDriverApi.cuMemsetD8Async(pointer, 0, 100, snippet.Stream.Handle.DangerousGetHandle()));
        Assert.Equal(CUresult.CUDA_ERROR_INVALID_VALUE,
            CudaDriverApi.cuMemsetD8Async(
                snippet.Output.Pointer.Address, 0, (nuint)snippet.Output.ByteCount + 1, snippet.Stream.Handle.DangerousGetHandle()));
    }

    [Fact]
    public void Freeing_what_waiting_work_uses_is_noted()
    {
        Assert.Equal("", Emulator.TakeViolations());
        int noted = 0;
        for (ulong seed = 1; seed <= 16; seed++)
        {
            using Snippet snippet = new(Text);
            using PinnedMemory<uint> keep = snippet.Device.AllocatePinned<uint>(64);
            LoadedKernel addOne = snippet.Load("add_one");
            Emulator.SetSeed(seed);
            DeviceMemory<uint> memory = snippet.Device.Allocate<uint>(64);
            snippet.Device.Launch(snippet.Stream, addOne, new LaunchConfig(1, 64),
                new SnippetArgs { Input = snippet.Input.Pointer, Output = memory.Pointer });
            snippet.Device.CopyAsync(snippet.Stream, memory.Pointer, keep, 0, 64);
            memory.Dispose();
            string violations = Emulator.TakeViolations();
            noted += violations.Length == 0 ? 0 : 1;
            if (violations.Length > 0)
                Assert.StartsWith("device memory is freed while work that uses it waits on a stream (", violations,
                    StringComparison.Ordinal);
            // The driver waits all the same: the work has been done.
            snippet.Stream.Synchronize();
            Assert.Equal([1u, 2u, 3u], keep.Slice(0, 3).ToArray());
        }

        // Now and then the device was fast enough.
        Assert.InRange(noted, 4, 16);
    }

    [Fact]
    public void Copies_read_pinned_memory_when_they_run()
    {
        int late = 0;
        for (ulong seed = 1; seed <= 32; seed++)
        {
            using Snippet snippet = new(Text);
            using PinnedMemory<uint> slot = snippet.Device.AllocatePinned<uint>(64);
            Emulator.SetSeed(seed);
            slot.Span.Fill(1);
            snippet.Device.CopyAsync(snippet.Stream, slot, 0, snippet.Output.Pointer, 64);
            slot.Span.Fill(2);
            snippet.Stream.Synchronize();
            late += snippet.Words(1)[0] == 2 ? 1 : 0;
        }

        Assert.InRange(late, 8, 31);
    }

    [Fact]
    public void A_fault_ends_the_context_for_good()
    {
        using Snippet snippet = new(Text);
        CudaException first = Assert.Throws<CudaException>(() => snippet.Run("fails"));
        CudaException second = Assert.Throws<CudaException>(() => snippet.Device.Allocate<byte>(1));
        Assert.Equal(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, first.Result);
        Assert.Equal(first.Result, second.Result);
        Assert.Equal(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, CudaDriverApi.cuMemAlloc_v2(out _, 1));
        using Snippet anew = new(Text, new ComputeCapability(8, 0));
        anew.Run("add_one");
    }

    [Fact]
    public void Memory_ends_at_the_limit()
    {
        using Snippet snippet = new(Text);
        ulong before = Emulator.SetMemoryLimit(0, 1 << 20);
        try
        {
            using DeviceMemory<byte> half = snippet.Device.Allocate<byte>(1 << 19);
            CudaException exception = Assert.Throws<CudaException>(() => snippet.Device.Allocate<byte>(1 << 19));
            Assert.Equal(CUresult.CUDA_ERROR_OUT_OF_MEMORY, exception.Result);
            Assert.Contains($"Allocating 524,288 bytes (free are {(1 << 19) - (2 * 4 * Snippet.WordCount):N0} of 1,048,576)",
                exception.Message, StringComparison.Ordinal);
        }
        finally
        {
            _ = Emulator.SetMemoryLimit(0, before);
        }
    }

    [Fact]
    public void Large_memory_keeps_a_digest_of_what_was_copied_in()
    {
        using Snippet snippet = new(Text);
        byte[] data = new byte[100_003];
        new Random(7).NextBytes(data);
        ulong before = Emulator.SetDigestThreshold(65536);
        try
        {
            // In other pieces the same digest; with another byte, another one.
            (ulong whole, ulong count) = Digest(100_003);
            Assert.Equal((whole, count), Digest(4099));
            Assert.Equal((ulong)data.Length, count);
            data[77_777] ^= 0x40;
            Assert.NotEqual(whole, Digest(100_003).Digest);

            using DeviceMemory<byte> memory = snippet.Device.Allocate<byte>(1L << 32);
            CudaException exception = Assert.Throws<CudaException>(() => snippet.Run("add_one", input: memory.Pointer.As<uint>()));
            Assert.Contains("keeps only a digest", exception.Message, StringComparison.Ordinal);
        }
        finally
        {
            _ = Emulator.SetDigestThreshold(before);
        }

        (ulong Digest, ulong ByteCount) Digest(int piece)
        {
            using DeviceMemory<byte> memory = snippet.Device.Allocate<byte>(data.Length);
            using PinnedMemory<byte> pinned = snippet.Device.AllocatePinned<byte>(data.Length);
            data.CopyTo(pinned.Span);
            // The last piece first.
            for (int start = (data.Length - 1) / piece * piece; start >= 0; start -= piece)
                snippet.Device.CopyAsync(snippet.Stream, pinned, start, memory.Pointer[start], Math.Min(piece, data.Length - start));
            snippet.Stream.Synchronize();
            return Emulator.DigestOf(memory.Pointer.Address);
        }
    }

    [Fact]
    public void An_image_for_another_architecture_is_refused()
    {
        Emulator.RequireEmulation();
        using Snippet snippet = new(Text);
        using GpuDevice older = Emulator.Open(new ComputeCapability(8, 0));
        GpuArchitecture newest = GpuArchitecture.Select(snippet.Device.Info.ComputeCapability, KernelCompiler.Open().Architectures,
            "the emulator");
        CompiledKernel compiled = KernelCompiler.Open().Compile(snippet.Source("add_one"), newest);
        older.Context.MakeCurrent();
        fixed (byte* image = compiled.Cubin)
            Assert.Equal(CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU, CudaDriverApi.cuModuleLoadDataEx(out _, image, 0, null, null));
        Assert.Contains("compiled for sm_90, and the device is sm_80", Emulator.LastError(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0u, 64u, 0u, nameof(CUresult.CUDA_ERROR_INVALID_VALUE))]
    [InlineData(1u, 2048u, 0u, nameof(CUresult.CUDA_ERROR_INVALID_VALUE))]
    [InlineData(1u, 512u, 0u, nameof(CUresult.CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES))]
    [InlineData(1u, 64u, 49153u, nameof(CUresult.CUDA_ERROR_INVALID_VALUE))]
    public void Launches_keep_to_the_limits(uint grid, uint block, uint sharedBytes, string expected)
    {
        using Snippet snippet = new(Text);
        LoadedKernel kernel = snippet.Load("add_one");
        snippet.Device.Context.MakeCurrent();
        CUlaunchConfig config = new()
        {
            Grid = new Dim3(grid),
            Block = new Dim3(block),
            SharedMemBytes = sharedBytes,
            Stream = snippet.Stream.Handle.DangerousGetHandle(),
        };
        SnippetArgs args = default;
        void* parameter = &args;
        Assert.Equal(Enum.Parse<CUresult>(expected), CudaDriverApi.cuLaunchKernelEx(&config, kernel.Function, &parameter, null));
    }

    [Fact]
    public void Functions_are_found_by_their_base_names()
    {
        Emulator.Require();
        CudaDriver.Initialize();
        Assert.Equal(CUresult.CUDA_SUCCESS, CudaDriverApi.cuGetProcAddress_v2("cuMemAlloc", out nint function, 12000, 0, out int status));
        Assert.NotEqual(0, function);
        Assert.Equal(0, status);
        Assert.Equal(CUresult.CUDA_ERROR_NOT_FOUND, CudaDriverApi.cuGetProcAddress_v2("cuNoSuchThing", out _, 12000, 0, out status));
        Assert.Equal(1, status);
    }

    private static void AssertResult(CUresult expected, Action action)
        => Assert.Equal(expected, Assert.Throws<CudaException>(action).Result);
}
