using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Memory and copies.</summary>
internal sealed unsafe partial class GpuDevice
{
    /// <summary>Allocates memory of the device; its contents are undefined.</summary>
    /// <param name="count">Elements; 0 is possible.</param>
    /// <exception cref="CudaException">There is not enough.</exception>
    public DeviceMemory<T> Allocate<T>(long count)
        where T : unmanaged => new(Allocations.Device(_context, MemoryRange.Bytes<T>(count)), count);

    /// <summary>Allocates pinned memory of the host, which copies read and write while the host goes on.</summary>
    /// <param name="count">Elements; 0 is possible.</param>
    /// <exception cref="CudaException">The system does not pin that much.</exception>
    public PinnedMemory<T> AllocatePinned<T>(long count)
        where T : unmanaged => new(Allocations.Pinned(_context, MemoryRange.Bytes<T>(count)), count);

    /// <summary>Copies pinned memory to the device; the host does not wait. The pinned memory is read when the stream comes to
    /// it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="source">Where from.</param>
    /// <param name="sourceStart">The first element to copy.</param>
    /// <param name="destination">Where to, with room for the elements.</param>
    /// <param name="count">Elements.</param>
    public void CopyAsync<T>(GpuStream stream, PinnedMemory<T> source, long sourceStart, DevicePointer<T> destination, long count)
        where T : unmanaged
    {
        MemoryRange.Check(source.Count, sourceStart, count, nameof(sourceStart));
        if (count == 0)
            return;
        _context.MakeCurrent();
        using var lease = new HandleLease(stream.Handle);
        _context.Check(
            CudaDriverApi.cuMemcpyHtoDAsync_v2(destination.Address, (nint)(source.Pointer + sourceStart), Size<T>(count), lease.Value),
            nameof(CudaDriverApi.cuMemcpyHtoDAsync_v2));
    }

    /// <summary>Copies device memory to pinned memory; the host does not wait.</summary>
    /// <inheritdoc cref="CopyAsync{T}(GpuStream, PinnedMemory{T}, long, DevicePointer{T}, long)"/>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="source">Where from, at least as many elements.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="destinationStart">The first element to write.</param>
    /// <param name="count">Elements.</param>
    public void CopyAsync<T>(GpuStream stream, DevicePointer<T> source, PinnedMemory<T> destination, long destinationStart, long count)
        where T : unmanaged
    {
        MemoryRange.Check(destination.Count, destinationStart, count, nameof(destinationStart));
        if (count == 0)
            return;
        _context.MakeCurrent();
        using var lease = new HandleLease(stream.Handle);
        _context.Check(
            CudaDriverApi.cuMemcpyDtoHAsync_v2((nint)(destination.Pointer + destinationStart), source.Address, Size<T>(count), lease.Value),
            nameof(CudaDriverApi.cuMemcpyDtoHAsync_v2));
    }

    /// <summary>Copies within the device; the host does not wait.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="source">Where from, at least as many elements.</param>
    /// <param name="destination">Where to, with room for the elements; not overlapping.</param>
    /// <param name="count">Elements.</param>
    public void CopyAsync<T>(GpuStream stream, DevicePointer<T> source, DevicePointer<T> destination, long count)
        where T : unmanaged
    {
        if (MemoryRange.Bytes<T>(count) == 0)
            return;
        _context.MakeCurrent();
        using var lease = new HandleLease(stream.Handle);
        _context.Check(
            CudaDriverApi.cuMemcpyDtoDAsync_v2(destination.Address, source.Address, Size<T>(count), lease.Value),
            nameof(CudaDriverApi.cuMemcpyDtoDAsync_v2));
    }

    /// <summary>Copies all of a pinned memory to the beginning of a device memory.</summary>
    public void CopyAsync<T>(GpuStream stream, PinnedMemory<T> source, DeviceMemory<T> destination)
        where T : unmanaged
    {
        MemoryRange.Check(destination.Count, 0, source.Count, nameof(destination));
        CopyAsync(stream, source, 0, destination.Pointer, source.Count);
    }

    /// <summary>Copies all of a device memory to the beginning of a pinned memory.</summary>
    public void CopyAsync<T>(GpuStream stream, DeviceMemory<T> source, PinnedMemory<T> destination)
        where T : unmanaged => CopyAsync(stream, source.Pointer, destination, 0, source.Count);

    /// <summary>Copies all of a device memory to the beginning of another one.</summary>
    public void CopyAsync<T>(GpuStream stream, DeviceMemory<T> source, DeviceMemory<T> destination)
        where T : unmanaged
    {
        MemoryRange.Check(destination.Count, 0, source.Count, nameof(destination));
        CopyAsync(stream, source.Pointer, destination.Pointer, source.Count);
    }

    /// <summary>Sets every byte of a device memory; the host does not wait.</summary>
    public void MemsetAsync<T>(GpuStream stream, DeviceMemory<T> destination, byte value)
        where T : unmanaged => MemsetAsync(stream, destination.Pointer, value, destination.Count);

    /// <summary>Sets every byte of some elements; the host does not wait.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="destination">The first element.</param>
    /// <param name="value">What each byte becomes.</param>
    /// <param name="count">Elements.</param>
    public void MemsetAsync<T>(GpuStream stream, DevicePointer<T> destination, byte value, long count)
        where T : unmanaged
    {
        if (MemoryRange.Bytes<T>(count) == 0)
            return;
        _context.MakeCurrent();
        using var lease = new HandleLease(stream.Handle);
        _context.Check(
            CudaDriverApi.cuMemsetD8Async(destination.Address, value, Size<T>(count), lease.Value), nameof(CudaDriverApi.cuMemsetD8Async));
    }

    /// <summary>Copies to the beginning of a device memory and waits. For tests and small data: it goes through a small pinned
    /// buffer.</summary>
    public void Upload<T>(DeviceMemory<T> destination, ReadOnlySpan<T> source)
        where T : unmanaged
    {
        MemoryRange.Check(destination.Count, 0, source.Length, nameof(source));
        Upload(destination.Pointer, source);
    }

    /// <summary>Copies to device memory and waits, as <see cref="Upload{T}(DeviceMemory{T}, ReadOnlySpan{T})"/>.</summary>
    /// <param name="destination">Room for the elements.</param>
    /// <param name="source">The elements.</param>
    public void Upload<T>(DevicePointer<T> destination, ReadOnlySpan<T> source)
        where T : unmanaged
    {
        // In pieces, because a span of bytes ends at 2 GiB.
        int piece = (1 << 30) / sizeof(T);
        for (int start = 0; start < source.Length; start += piece)
        {
            ReadOnlySpan<T> part = source.Slice(start, Math.Min(piece, source.Length - start));
            _staging.Upload(destination.Address + ((ulong)start * (ulong)sizeof(T)), MemoryMarshal.AsBytes(part));
        }
    }

    /// <summary>Copies from the beginning of a device memory and waits. For tests and small data: it goes through a small pinned
    /// buffer.</summary>
    public void Download<T>(DeviceMemory<T> source, Span<T> destination)
        where T : unmanaged
    {
        MemoryRange.Check(source.Count, 0, destination.Length, nameof(destination));
        Download(source.Pointer, destination);
    }

    /// <summary>Copies from device memory and waits, as <see cref="Download{T}(DeviceMemory{T}, Span{T})"/>.</summary>
    /// <param name="source">At least as many elements.</param>
    /// <param name="destination">Filled completely.</param>
    public void Download<T>(DevicePointer<T> source, Span<T> destination)
        where T : unmanaged
    {
        ulong address = source.Address;
        // In pieces, because a span of bytes ends at 2 GiB.
        int piece = (1 << 30) / sizeof(T);
        for (int start = 0; start < destination.Length; start += piece)
        {
            Span<T> part = destination.Slice(start, Math.Min(piece, destination.Length - start));
            _staging.Download(MemoryMarshal.AsBytes(part), address + ((ulong)start * (ulong)sizeof(T)));
        }
    }

    /// <summary>Describes a tensor for the tensor memory accelerator (sm_90 and later).</summary>
    /// <exception cref="ArgumentException">The description breaks a rule of tensor maps.</exception>
    public TensorMap EncodeTensorMap(in TensorMapSpec spec)
    {
        TensorMapRules.Check(spec);
        int rank = spec.Dims.Count;
        ulong* dims = stackalloc ulong[rank], strides = stackalloc ulong[rank];
        uint* box = stackalloc uint[rank], steps = stackalloc uint[rank];
        for (int d = 0; d < rank; d++)
        {
            dims[d] = (ulong)spec.Dims[d];
            strides[d] = d < rank - 1 ? (ulong)spec.StridesInBytes[d] : 0;
            box[d] = (uint)spec.Box[d];
            steps[d] = 1;
        }

        // The driver writes to a multiple of 64 bytes, and of 128 from CUDA 13 on.
        byte* buffer = stackalloc byte[2 * TensorMap.ByteCount];
        var map = (TensorMap*)(((nuint)buffer + TensorMap.ByteCount - 1) & ~(nuint)(TensorMap.ByteCount - 1));
        _context.MakeCurrent();
        _context.Check(
            CudaDriverApi.cuTensorMapEncodeTiled(
                map, (int)spec.Type, (uint)rank, spec.Address, dims, strides, box, steps, 0, (int)spec.Swizzle, (int)spec.Promotion,
                spec.FillsWithNaN ? 1 : 0),
            nameof(CudaDriverApi.cuTensorMapEncodeTiled));
        return *map;
    }

    private static nuint Size<T>(long count)
        where T : unmanaged => checked((nuint)count * (nuint)sizeof(T));
}
