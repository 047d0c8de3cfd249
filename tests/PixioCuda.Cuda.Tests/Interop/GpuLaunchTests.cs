using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests.Interop;

public sealed class GpuLaunchTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(1000)]
    public void A_kernel_gets_its_arguments_and_its_geometry(int count)
    {
        foreach (GpuDeviceInfo info in Devices())
        {
            using var device = GpuDevice.Open(info.Ordinal);
            AssertAxpy(device, TestKernels.Axpy, count, 0);
        }
    }

    [Fact]
    public void More_shared_memory_than_48_KB_is_asked_for()
    {
        foreach (GpuDeviceInfo info in Devices())
        {
            using var device = GpuDevice.Open(info.Ordinal);
            foreach (int bytes in (int[])[1024, 48 << 10, (48 << 10) + 256, info.SharedBytesPerBlockOptIn])
                AssertAxpy(device, TestKernels.Shared(bytes), 100, bytes);
        }
    }

    [Fact]
    public void The_device_says_how_many_clusters_run_at_a_time()
    {
        using GpuDevice device = Emulator.Open(new ComputeCapability(9, 0));
        LoadedKernel kernel = device.LoadKernel(TestKernels.Axpy);
        foreach (int blocks in (int[])[2, 4, 8, 12, 16])
        {
            int clusters = device.MaxActiveClusters(kernel, new LaunchConfig(blocks, 32, Cluster: blocks));
            Assert.InRange(clusters, 1, Math.Max(1, 32 * device.Info.SmCount / blocks));
        }

        var without = Assert.Throws<ArgumentException>(() => device.MaxActiveClusters(kernel, new LaunchConfig(1, 32)));
        Assert.Contains("no cluster", without.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => device.MaxActiveClusters(kernel, new LaunchConfig(3, 32, Cluster: 2)));
        var large = Assert.Throws<ArgumentException>(() => device.MaxActiveClusters(kernel, new LaunchConfig(17, 32, Cluster: 17)));
        Assert.Contains("its cluster (17, 1, 1) does not have 1 to 16 blocks", large.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(8, 9, "12.4", false)]
    [InlineData(9, 0, "12.2", false)]
    [InlineData(9, 0, "12.3", true)]
    [InlineData(12, 0, "13.0", true)]
    public void Kernels_begin_early_where_device_and_driver_can_do_that(int major, int minor, string driver, bool expected)
        => Assert.Equal(expected, LaunchRules.CanBeginEarly(new ComputeCapability(major, minor), Version.Parse(driver)));

    [Fact]
    public void A_kernel_is_loaded_once_for_each_device_whoever_asks()
    {
        using GpuDevice device = Emulator.Open();
        LoadedKernel[] kernels = new LoadedKernel[16];
        // Equal in contents, and not the same object.
        Parallel.For(0, kernels.Length,
            index => kernels[index] = device.LoadKernel(TestKernels.Axpy with { Includes = [.. TestKernels.Axpy.Includes] }));
        Assert.All(kernels, kernel => Assert.Same(kernels[0], kernel));
        Assert.NotSame(kernels[0], device.LoadKernel(TestKernels.Axpy with { Defines = [new KernelDefine("OTHER", "1")] }));
        Assert.True(kernels[0].Attributes.MaxThreads >= TestKernels.Threads);
        using GpuDevice again = Emulator.Open();
        Assert.NotSame(kernels[0], again.LoadKernel(TestKernels.Axpy));
    }

    [Fact]
    public void A_kernel_that_does_not_compile_is_an_error_each_time()
    {
        using GpuDevice device = Emulator.Open();
        for (int time = 0; time < 2; time++)
        {
            KernelCompilationException exception = Assert.Throws<KernelCompilationException>(() => device.LoadKernel(TestKernels.Broken));
            Assert.Equal("broken", exception.Kernel);
            Assert.Contains("undeclared", exception.Log, StringComparison.Ordinal);
            Assert.Equal(6, exception.Line);
        }

        AssertAxpy(device, TestKernels.Axpy, 100, 0);
    }

    [Fact]
    public void An_entry_that_is_not_in_the_code_is_named()
    {
        using GpuDevice device = Emulator.Open();
        CudaException exception = Assert.Throws<CudaException>(() => device.LoadKernel(TestKernels.Axpy with { Entry = "xpya" }));
        Assert.Equal(CUresult.CUDA_ERROR_NOT_FOUND, exception.Result);
        Assert.StartsWith("Looking for the entry 'xpya' in the kernel xpya on ", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Impossible_launches_are_named()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        LoadedKernel kernel = device.LoadKernel(TestKernels.Axpy);
        GpuDeviceInfo info = device.Info;
        LaunchConfig good = TestKernels.ConfigFor(64);
        foreach ((LaunchConfig config, string problem) in ((LaunchConfig, string)[])[
            (good with { Grid = new Dim3(0) }, "its grid (0, 1, 1) is not within"),
            (good with { Grid = new Dim3(1, 65536) }, "its grid (1, 65536, 1) is not within"),
            (good with { Block = new Dim3(0) }, "its block (0, 1, 1) is not within"),
            (good with { Block = new Dim3(1, 1, 1025) }, "its block (1, 1, 1025) is not within"),
            (good with { SharedBytes = info.SharedBytesPerBlockOptIn + 1 },
                $"it asks for {info.SharedBytesPerBlockOptIn + 1} bytes of dynamic shared memory"),
            (good with { SharedBytes = -1 }, "it asks for -1 bytes")])
        {
            ArgumentException exception = Assert.Throws<ArgumentException>(
                () => device.Launch(stream, kernel, config, default(TestKernels.AxpyArgs)));
            Assert.StartsWith($"The kernel axpy cannot be launched: {problem}", exception.Message, StringComparison.Ordinal);
        }

        ArgumentException size = Assert.Throws<ArgumentException>(() => device.Launch(stream, kernel, good, 1.0));
        Assert.Contains("takes 24 bytes of arguments, and Double has 8", size.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Clusters_need_their_architecture_and_divide_the_grid()
    {
        foreach (GpuDeviceInfo info in Devices())
        {
            using var device = GpuDevice.Open(info.Ordinal);
            LoadedKernel kernel = device.LoadKernel(TestKernels.Axpy);
            LaunchConfig config = new((6, 1), TestKernels.Threads, Cluster: 4);
            string problem = Assert.Throws<ArgumentException>(() => LaunchRules.Check(info, kernel, config)).Message;
            Assert.Contains(
                info.ComputeCapability.Major >= 9 ? "or does not divide its grid (6, 1, 1)" : "does not have",
                problem, StringComparison.Ordinal);
            if (info.ComputeCapability.Major >= 9)
                LaunchRules.Check(info, kernel, config with { Cluster = 3 });
        }
    }

    private static IReadOnlyList<GpuDeviceInfo> Devices()
    {
        Emulator.Require();
        return GpuDevice.List();
    }

    private static void AssertAxpy(GpuDevice device, KernelSource source, int count, int sharedBytes)
    {
        using GpuStream stream = device.CreateStream();
        float[] x = [.. Enumerable.Range(0, count).Select(index => index * 0.25f)];
        float[] y = [.. Enumerable.Range(0, count).Select(index => 3f - index)];
        using DeviceMemory<float> xMemory = device.Allocate<float>(count), yMemory = device.Allocate<float>(count);
        device.Upload(xMemory, x);
        device.Upload(yMemory, y);
        TestKernels.AxpyArgs args = new() { X = xMemory.Pointer, Y = yMemory.Pointer, Count = (uint)count, Factor = 8 };
        device.Launch(stream, device.LoadKernel(source), TestKernels.ConfigFor(count, sharedBytes), args);
        // The arguments were copied.
        args.Count = 0;
        stream.Synchronize();
        float[] result = new float[count];
        device.Download(yMemory, result);
        Assert.Equal(x.Zip(y, (a, b) => (8 * a) + b), result);
    }
}
