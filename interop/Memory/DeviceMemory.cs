namespace PixioCuda.Interop;

/// <summary>Memory of a device, 256-byte aligned, freed when this is disposed. What it holds at first is undefined.</summary>
/// <typeparam name="T">The elements.</typeparam>
internal sealed class DeviceMemory<T> : IDisposable
    where T : unmanaged
{
    private readonly DeviceMemoryHandle? _handle;
    private bool _disposed;

    // No handle for no elements: the driver allocates no empty memory.
    internal DeviceMemory(DeviceMemoryHandle? handle, long count)
    {
        _handle = handle;
        Count = count;
    }

    /// <summary>Elements.</summary>
    public long Count { get; }

    /// <summary>Their size in bytes.</summary>
    public unsafe long ByteCount => Count * sizeof(T);

    /// <summary>The first element; null where there is none.</summary>
    /// <exception cref="ObjectDisposedException">The memory was freed.</exception>
    public DevicePointer<T> Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return new DevicePointer<T>(_handle is null ? 0 : (ulong)_handle.DangerousGetHandle());
        }
    }

    /// <summary>Frees the memory; waits for the work that uses it.</summary>
    public void Dispose()
    {
        _disposed = true;
        _handle?.Dispose();
    }
}
