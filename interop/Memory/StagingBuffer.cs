namespace PixioCuda.Interop;

/// <summary>Carries small amounts of pageable memory to and from a device, waiting for each: a pinned buffer and a stream, made when first
/// needed. For tests and small data; weights have a ring of their own.</summary>
internal sealed unsafe class StagingBuffer(GpuContext context) : IDisposable
{
    private const int ByteCount = 4 << 20;

    private readonly Lock _lock = new();
    private PinnedMemoryHandle? _memory;
    private GpuStream? _stream;
    private bool _disposed;

    public void Upload(ulong destination, ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            Prepare(out nint memory, out nint stream);
            while (!source.IsEmpty)
            {
                int count = Math.Min(source.Length, ByteCount);
                source[..count].CopyTo(new Span<byte>((void*)memory, count));
                context.Check(
                    CudaDriverApi.cuMemcpyHtoDAsync_v2(destination, memory, (nuint)count, stream),
                    nameof(CudaDriverApi.cuMemcpyHtoDAsync_v2));
                context.Check(CudaDriverApi.cuStreamSynchronize(stream), nameof(CudaDriverApi.cuStreamSynchronize));
                source = source[count..];
                destination += (ulong)count;
            }
        }
    }

    public void Download(Span<byte> destination, ulong source)
    {
        lock (_lock)
        {
            Prepare(out nint memory, out nint stream);
            while (!destination.IsEmpty)
            {
                int count = Math.Min(destination.Length, ByteCount);
                context.Check(CudaDriverApi.cuMemcpyDtoHAsync_v2(memory, source, (nuint)count, stream),
                    nameof(CudaDriverApi.cuMemcpyDtoHAsync_v2));
                context.Check(CudaDriverApi.cuStreamSynchronize(stream), nameof(CudaDriverApi.cuStreamSynchronize));
                new ReadOnlySpan<byte>((void*)memory, count).CopyTo(destination);
                destination = destination[count..];
                source += (ulong)count;
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _stream?.Dispose();
            _memory?.Dispose();
        }
    }

    private void Prepare(out nint memory, out nint stream)
    {
        ObjectDisposedException.ThrowIf(_disposed, typeof(GpuDevice));
        _memory ??= Allocations.Pinned(context, ByteCount)!;
        _stream ??= new GpuStream(context);
        context.MakeCurrent();
        memory = _memory.DangerousGetHandle();
        stream = _stream.Handle.DangerousGetHandle();
    }
}
