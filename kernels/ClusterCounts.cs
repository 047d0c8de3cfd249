using System.Runtime.CompilerServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>How many clusters of each size a device holds, where a multiprocessor holds one block. The blocks of a cluster run in one group
/// of multiprocessors, and groups differ in size, from device to device of one kind too.</summary>
internal sealed class ClusterCounts : IEquatable<ClusterCounts>
{
    /// <summary>The most blocks of a cluster.</summary>
    public const int Most = LaunchRules.MostBlocksOfCluster;

    private static readonly ConditionalWeakTable<GpuDevice, ClusterCounts> Known = [];

    private readonly int[] _counts;

    private ClusterCounts(Func<int, int> countOf) => _counts = [0, .. Enumerable.Range(1, Most).Select(countOf)];

    /// <summary>Clusters of so many blocks; 0 where none fits.</summary>
    public int this[int blocks] => _counts[blocks];

    /// <summary>From the groups' multiprocessors.</summary>
    public static ClusterCounts OfGroups(params int[] groups) => new(blocks => groups.Sum(group => group / blocks));

    /// <summary>Whole groups of 16, which is what is left where nothing else is known.</summary>
    public static ClusterCounts OfMultiprocessors(int count)
        => OfGroups([.. Enumerable.Repeat(Most, count / Most), .. count % Most == 0 ? Array.Empty<int>() : [count % Most]]);

    /// <summary>As a device's driver counts them; asked once. Without clusters, before compute capability 9.0, its multiprocessors.</summary>
    public static ClusterCounts Of(GpuDevice device) => Known.GetValue(device, Ask);

    public bool Equals(ClusterCounts? other) => other is not null && _counts.AsSpan().SequenceEqual(other._counts);

    public override bool Equals(object? obj) => Equals(obj as ClusterCounts);

    public override int GetHashCode() => HashCode.Combine(_counts[1], _counts[2], _counts[Most]);

    private static ClusterCounts Ask(GpuDevice device)
    {
        if (device.Info.ComputeCapability.Major < 9)
            return OfMultiprocessors(device.Info.SmCount);
        // Any kernel does, given all the shared memory of a multiprocessor; this one is there anyway, for the weights.
        LoadedKernel kernel = device.LoadKernel(ConvertKernel.SelectConfig(ConvertShape.Flat(1, ElementType.F32, ElementType.BF16)).Source);
        return new(blocks => blocks == 1 ? device.Info.SmCount : device.MaxActiveClusters(
            kernel, new LaunchConfig(blocks, 128, (Dim3)blocks, device.Info.SharedBytesPerBlockOptIn)));
    }
}
