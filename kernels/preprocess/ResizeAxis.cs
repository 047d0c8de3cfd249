using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The weights of one axis of a resize, as Pillow computes them, in 22-bit fixed point.</summary>
/// <param name="First">[size]: the first input position that an output position takes.</param>
/// <param name="Count">[size]: how many it takes.</param>
/// <param name="Weights">[size, stride].</param>
/// <param name="Stride">The most weights that an output position has.</param>
internal sealed record ResizeAxis(int[] First, int[] Count, int[] Weights, int Stride)
{
    /// <summary>Output positions.</summary>
    public int Size => First.Length;

    /// <summary>The first input position that anything is taken from.</summary>
    public int InputStart => First[0];

    /// <summary>One behind the last input position that anything is taken from.</summary>
    public int InputEnd => First[^1] + Count[^1];

    /// <summary>All weights that are not filling.</summary>
    public long WeightCount => Count.Sum(count => (long)count);
}

/// <summary>The numbers of a <see cref="ResizeAxis"/> in a device's memory, end to end: First [size], Count [size], Weights [size,
/// stride].</summary>
/// <param name="First">The first of them.</param>
/// <param name="Size">Output positions.</param>
/// <param name="Stride">The most weights that an output position has.</param>
/// <param name="InputStart">The first input position that anything is taken from.</param>
internal readonly record struct ResizeAxisTable(DevicePointer<int> First, int Size, int Stride, int InputStart)
{
    public DevicePointer<int> Count => First[Size];

    public DevicePointer<int> Weights => First[2L * Size];

    /// <summary>How many numbers it has.</summary>
    public static long LengthOf(int size, int stride) => (long)size * (stride + 2);
}

/// <summary>A <see cref="ResizeAxis"/> on a device, in memory of its own.</summary>
internal sealed class DeviceResizeAxis : IDisposable
{
    private readonly DeviceMemory<int> _memory;

    /// <summary>Copies an axis to a device, and waits.</summary>
    public DeviceResizeAxis(GpuDevice device, ResizeAxis axis)
    {
        Axis = axis;
        _memory = device.Allocate<int>(ResizeAxisTable.LengthOf(axis.Size, axis.Stride));
        device.Upload(_memory, [.. axis.First, .. axis.Count, .. axis.Weights]);
    }

    public ResizeAxis Axis { get; }

    public ResizeAxisTable Table => new(_memory.Pointer, Axis.Size, Axis.Stride, Axis.InputStart);

    public void Dispose() => _memory.Dispose();
}
