using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>A hold on a device's primary context. Let go when this is disposed and the last of its children is released too.</summary>
internal sealed class ContextHandle : SafeHandle
{
    private readonly int _device;

    private ContextHandle(int device)
        : base(0, ownsHandle: true) => _device = device;

    public override bool IsInvalid => handle == 0;

    /// <summary>Takes hold of the primary context.</summary>
    /// <param name="device">The driver's number for the device.</param>
    /// <param name="subject">What to call the device in an error.</param>
    /// <exception cref="CudaException">The device cannot be used.</exception>
    public static ContextHandle Retain(int device, string subject)
    {
        var context = new ContextHandle(device);
        CUresult result = CudaDriverApi.cuDevicePrimaryCtxRetain(out nint value, device);
        if (result != CUresult.CUDA_SUCCESS)
        {
            context.Dispose();
            throw CudaErrors.Create(result, nameof(CudaDriverApi.cuDevicePrimaryCtxRetain), $"A context on {subject} cannot be had:");
        }

        context.SetHandle(value);
        return context;
    }

    // A result that says failure has nobody to tell; a device that is lost frees all that was on it.
    protected override bool ReleaseHandle() => CudaDriverApi.cuDevicePrimaryCtxRelease_v2(_device) == CUresult.CUDA_SUCCESS;
}
