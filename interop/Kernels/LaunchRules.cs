using System.Diagnostics.CodeAnalysis;

namespace PixioCuda.Interop;

/// <summary>What a launch must keep to, so that a mistake is named; the driver only says "invalid value".</summary>
internal static class LaunchRules
{
    /// <summary>More than these blocks of a cluster a kernel must be allowed to have (CUDA Programming Guide: "portable").</summary>
    public const int PortableBlocksOfCluster = 8;

    /// <summary>The most blocks of a cluster.</summary>
    public const int MostBlocksOfCluster = 16;

    /// <exception cref="ArgumentException">The struct is not of the size that the kernel takes.</exception>
    public static void CheckArgs(LoadedKernel kernel, Type type, int byteCount)
    {
        if (byteCount != kernel.Source.ArgsByteCount)
        {
            throw new ArgumentException(
                $"The kernel {kernel.Source.Title} takes {kernel.Source.ArgsByteCount} bytes of arguments, and {type.Name} has {byteCount}.");
        }
    }

    /// <summary>Whether a kernel may begin before the one in front of it has ended: from compute capability 9.0 on, and with drivers that keep
    /// that in a captured graph, from CUDA 12.3 on. Elsewhere it begins behind it, with the same results.</summary>
    public static bool CanBeginEarly(ComputeCapability capability, Version driver) => capability.Major >= 9 && driver >= new Version(12, 3);

    /// <exception cref="ArgumentException">The launch is impossible on the device.</exception>
    public static void Check(GpuDeviceInfo device, LoadedKernel kernel, in LaunchConfig config)
    {
        if (config.Grid.X == 0 || config.Grid.Y == 0 || config.Grid.Z == 0 || config.Grid.X > int.MaxValue || config.Grid.Y > 65535
            || config.Grid.Z > 65535)
            Throw(kernel, $"its grid {config.Grid} is not within 1 to (2147483647, 65535, 65535) blocks");
        if (config.Block.X == 0 || config.Block.Y == 0 || config.Block.Z == 0 || config.Block.Count > kernel.Attributes.MaxThreads)
            Throw(kernel, $"its block {config.Block} is not within 1 to {kernel.Attributes.MaxThreads} threads");
        if (config.SharedBytes < 0 || config.SharedBytes > device.SharedBytesPerBlockOptIn - kernel.Attributes.StaticSharedBytes)
        {
            Throw(kernel, $"it asks for {config.SharedBytes} bytes of dynamic shared memory "
                + $"beside {kernel.Attributes.StaticSharedBytes} static ones, "
                + $"and {device.Title} has {device.SharedBytesPerBlockOptIn} for a block");
        }

        if (config.Cluster is not Dim3 cluster)
            return;
        if (device.ComputeCapability.Major < 9)
            Throw(kernel, $"it asks for clusters, which {device.Title} of compute capability {device.ComputeCapability} does not have");
        if (cluster.Count is 0 or > MostBlocksOfCluster || config.Grid.X % cluster.X != 0 || config.Grid.Y % cluster.Y != 0 || config.Grid.Z % cluster.Z != 0)
            Throw(kernel, $"its cluster {cluster} does not have 1 to {MostBlocksOfCluster} blocks, or does not divide its grid {config.Grid}");
    }

    [DoesNotReturn]
    private static void Throw(LoadedKernel kernel, string problem)
        => throw new ArgumentException($"The kernel {kernel.Source.Title} cannot be launched: {problem}.");
}
