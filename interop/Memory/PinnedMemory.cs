namespace PixioCuda.Interop;

/// <summary>Memory of the host that stays where it is, so that the device copies from and to it while the host goes on. A copy reads or
/// writes it when the stream comes to it: leave it alone until an event behind the copy has passed.</summary>
/// <typeparam name="T">The elements.</typeparam>
internal sealed unsafe class PinnedMemory<T> : IDisposable
    where T : unmanaged
{
    private readonly PinnedMemoryHandle? _handle;
    private bool _disposed;

    internal PinnedMemory(PinnedMemoryHandle? handle, long count)
    {
        _handle = handle;
        Count = count;
    }

    /// <summary>Elements.</summary>
    public long Count { get; }

    /// <summary>Their size in bytes.</summary>
    public long ByteCount => Count * sizeof(T);

    /// <summary>The elements. Not to be kept beyond the memory's life.</summary>
    /// <exception cref="ObjectDisposedException">The memory was freed.</exception>
    /// <exception cref="OverflowException">There are more than a span can have; use <see cref="Slice"/>.</exception>
    public Span<T> Span => new(Pointer, checked((int)Count));

    /// <summary>The first element; null where there is none.</summary>
    /// <exception cref="ObjectDisposedException">The memory was freed.</exception>
    public T* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _handle is null ? null : (T*)_handle.DangerousGetHandle();
        }
    }

    /// <summary>A part of the elements. Not to be kept beyond the memory's life.</summary>
    public Span<T> Slice(long start, int count)
    {
        MemoryRange.Check(Count, start, count, nameof(start));
        return new Span<T>(Pointer + start, count);
    }

    /// <summary>Frees the memory; waits for the copies that use it.</summary>
    public void Dispose()
    {
        _disposed = true;
        _handle?.Dispose();
    }
}
