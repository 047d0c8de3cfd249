using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>What the choice of a configuration depends on.</summary>
/// <param name="ComputeCapability">The device's.</param>
/// <param name="SmCount">Streaming multiprocessors.</param>
/// <param name="SharedBytesPerBlock">Shared memory that a block may ask for, in bytes.</param>
/// <param name="SharedBytesPerSm">Shared memory of a multiprocessor, in bytes.</param>
/// <param name="ThreadsPerSm">Resident threads of a multiprocessor.</param>
/// <param name="L2Bytes">The second-level cache.</param>
internal sealed record DeviceLimits(
    ComputeCapability ComputeCapability, int SmCount, int SharedBytesPerBlock, int SharedBytesPerSm, int ThreadsPerSm, long L2Bytes)
{
    /// <summary>Clusters that it holds.</summary>
    public ClusterCounts Clusters { get; init; } = ClusterCounts.OfMultiprocessors(SmCount);

    /// <summary>NVIDIA A100 (CUDA Programming Guide, table of compute capabilities).</summary>
    public static DeviceLimits A100 { get; } = new(new(8, 0), 108, 163 << 10, 164 << 10, 2048, 40L << 20);

    /// <summary>NVIDIA RTX 4090.</summary>
    public static DeviceLimits Rtx4090 { get; } = new(new(8, 9), 128, 99 << 10, 100 << 10, 1536, 72L << 20);

    /// <summary>NVIDIA H200. Its groups of multiprocessors are not published, and not alike in all of them. These are taken from two reports
    /// on an H100, which has as many: clusters of 8 fill 120 of its 132 multiprocessors (accel-sim, gpu-app-collection, pull request 87),
    /// and cuBLAS launches as many blocks for them (CUTLASS, issue 1921).</summary>
    public static DeviceLimits H200 { get; } = new(new(9, 0), 132, 227 << 10, 228 << 10, 2048, 60L << 20)
    {
        Clusters = ClusterCounts.OfGroups(18, 18, 18, 16, 16, 16, 16, 14),
    };

    /// <summary>Those of a device, with the clusters that its driver counts.</summary>
    public static DeviceLimits Of(GpuDevice device) => Of(device.Info) with { Clusters = ClusterCounts.Of(device) };

    /// <summary>Those of a device that need no context on it: clusters are estimated.</summary>
    public static DeviceLimits Of(GpuDeviceInfo device) => new(
        device.ComputeCapability, device.SmCount, device.SharedBytesPerBlockOptIn, device.SharedBytesPerSm, device.MaxThreadsPerSm, device.L2Bytes);
}
