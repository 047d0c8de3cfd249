using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda;

/// <summary>One launch of a run.</summary>
/// <param name="Output">What it computes, in the model's own words.</param>
/// <param name="Kernel">Kernel and configuration.</param>
/// <param name="Grid">Blocks; all 0 for what a library launches, of which neither grid nor block, shared memory nor registers are known.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block, in bytes.</param>
/// <param name="Registers">Of a thread.</param>
/// <param name="Work">What it moves and computes.</param>
/// <param name="UsesTensorCores">Whether tensor cores do its arithmetic.</param>
/// <param name="Product">What it multiplies, where it is a matrix product.</param>
internal sealed record CudaLaunch(
    string Output, string Kernel, Dim3 Grid, Dim3 Block, int SharedBytes, int Registers, KernelWork Work, bool UsesTensorCores,
    GemmShape? Product = null)
{
    /// <summary>The kernel without its configuration.</summary>
    public string Entry => Kernel.Split(' ')[0];
}

/// <summary>What a run's launches took by the device's own clock.</summary>
/// <param name="Launches">In the order of the run.</param>
/// <param name="Seconds">[launches]: the median over the runs of the time between the events before and behind each launch. The launches
/// are put on the stream one by one, so that where the host is slower than the device its gaps are in there.</param>
/// <param name="GraphSeconds">The median time of a run as one captured graph, copies left out, which has no such gaps.</param>
/// <param name="RunCount">Runs behind each median.</param>
internal sealed record CudaProfile(IReadOnlyList<CudaLaunch> Launches, IReadOnlyList<double> Seconds, double GraphSeconds, int RunCount);

/// <summary>The least time that a device could take for a launch, by its data sheet: what its attributes say of clocks, bus and
/// multiprocessors.</summary>
/// <param name="BytesPerSecond">Of device memory; 0 where the driver does not tell.</param>
/// <param name="TensorFlops">Of dense products of 16-bit numbers summed in float32; 0 where it is not known for the architecture.</param>
/// <param name="Float32Flops">Of float32 multiply-adds; 0 where it is not known.</param>
internal sealed record CudaRoofline(double BytesPerSecond, double TensorFlops, double Float32Flops)
{
    /// <summary>A device's.</summary>
    public static CudaRoofline Of(GpuDeviceInfo device)
    {
        // Floating-point operations of a multiprocessor in a cycle (architecture white papers of A100, GA102, AD102, H100). Where boards of
        // one architecture differ, the most that one does: GeForce boards of 8.6 and 8.9 sum in float32 at half of it.
        (int tensor, int float32) = (device.ComputeCapability.Major, device.ComputeCapability.Minor) switch
        {
            (8, 0) => (2048, 128),
            (8, 6 or 9) => (1024, 256),
            (9, 0) => (4096, 256),
            _ => (0, 0),
        };
        double cyclesPerSecond = 1e3 * device.ClockKHz * device.SmCount;
        // Two transfers in each cycle.
        return new CudaRoofline(
            2e3 * device.MemoryClockKHz * device.BusWidthBits / 8, tensor * cyclesPerSecond, float32 * cyclesPerSecond);
    }

    /// <summary>The least seconds for a launch, or null where the device's peaks are not known.</summary>
    public double? SecondsOf(CudaLaunch launch)
    {
        double flops = launch.UsesTensorCores ? TensorFlops : Float32Flops;
        return BytesPerSecond > 0 && flops > 0 ? Math.Max(launch.Work.DramBytes / BytesPerSecond, launch.Work.Flops / flops) : null;
    }
}
