using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda;

/// <summary>Where a run's tensors lie on the device.</summary>
/// <param name="Pixels">The input, float32 or bytes as the graph's shape says.</param>
/// <param name="Arena">Everything that the memory plan places.</param>
internal readonly record struct CudaMemory(DevicePointer<byte> Pixels, DevicePointer<byte> Arena);

/// <summary>One launch of a forward pass.</summary>
/// <param name="Name">The op's output, in the model's own words.</param>
/// <param name="Kernel">Kernel and configuration.</param>
/// <param name="Work">What it moves and computes.</param>
/// <param name="UsesTensorCores">Whether tensor cores do its arithmetic.</param>
/// <param name="Launch">Puts it on a stream.</param>
/// <param name="Product">What it multiplies, where it is a matrix product.</param>
internal sealed record CudaStep(
    string Name, string Kernel, KernelWork Work, bool UsesTensorCores, Action<GpuStream, CudaMemory> Launch, GemmShape? Product = null)
{
    /// <summary>Whether a library launches kernels of its own there, of which nothing is known.</summary>
    public bool IsLibraryCall { get; init; }
}
