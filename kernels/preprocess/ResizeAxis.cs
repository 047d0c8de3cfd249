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

/// <summary>A <see cref="ResizeAxis"/> on a device.</summary>
internal sealed class DeviceResizeAxis : IDisposable
{
    private readonly DeviceMemory<int> _memory;

    /// <summary>Copies an axis to a device, and waits.</summary>
    public DeviceResizeAxis(GpuDevice device, ResizeAxis axis)
    {
        Axis = axis;
        _memory = device.Allocate<int>((2L * axis.Size) + axis.Weights.Length);
        device.Upload(_memory, [.. axis.First, .. axis.Count, .. axis.Weights]);
    }

    public ResizeAxis Axis { get; }

    public DevicePointer<int> First => _memory.Pointer;

    public DevicePointer<int> Count => _memory.Pointer[Axis.Size];

    public DevicePointer<int> Weights => _memory.Pointer[2L * Axis.Size];

    public void Dispose() => _memory.Dispose();
}
