using System.Globalization;

namespace PixioCuda.Interop;

/// <summary>Asks the driver for memory.</summary>
internal static class Allocations
{
    /// <summary>Memory of the device; null for no bytes.</summary>
    /// <exception cref="CudaException">There is not enough: the message says how much was asked for and how much there is.</exception>
    public static DeviceMemoryHandle? Device(GpuContext context, long byteCount)
    {
        if (byteCount == 0)
            return null;
        context.MakeCurrent();
        var handle = new DeviceMemoryHandle(context.Handle);
        CUresult result = CudaDriverApi.cuMemAlloc_v2(out ulong pointer, checked((nuint)byteCount));
        return context.Adopt(handle, result, (nint)pointer, nameof(CudaDriverApi.cuMemAlloc_v2),
            result == CUresult.CUDA_SUCCESS ? "" : DescribeDevice(byteCount));
    }

    /// <summary>Pinned memory of the host; null for no bytes.</summary>
    /// <exception cref="CudaException">The system does not pin that much.</exception>
    public static PinnedMemoryHandle? Pinned(GpuContext context, long byteCount)
    {
        if (byteCount == 0)
            return null;
        // Pinned for every context of the process, so that one ring can feed several devices.
        const uint Portable = 1;
        context.MakeCurrent();
        var handle = new PinnedMemoryHandle(context.Handle);
        CUresult result = CudaDriverApi.cuMemHostAlloc(out nint pointer, checked((nuint)byteCount), Portable);
        return context.Adopt(handle, result, pointer, nameof(CudaDriverApi.cuMemHostAlloc),
            result == CUresult.CUDA_SUCCESS
                ? "" : string.Create(CultureInfo.InvariantCulture, $"Pinning {byteCount:N0} bytes of the host's memory"));
    }

    private static string DescribeDevice(long byteCount)
        => CudaDriverApi.cuMemGetInfo_v2(out nuint free, out nuint total) == CUresult.CUDA_SUCCESS
            ? string.Create(CultureInfo.InvariantCulture,
                $"Allocating {byteCount:N0} bytes (free are {(ulong)free:N0} of {(ulong)total:N0})")
            : string.Create(CultureInfo.InvariantCulture, $"Allocating {byteCount:N0} bytes");
}
