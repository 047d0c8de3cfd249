using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Holds a handle for the time of one call, so that another thread's Dispose waits for its end. Allocates nothing.</summary>
internal readonly ref struct HandleLease : IDisposable
{
    private readonly SafeHandle _handle;

    /// <exception cref="ObjectDisposedException">The handle was disposed.</exception>
    public HandleLease(SafeHandle handle)
    {
        bool added = false;
        handle.DangerousAddRef(ref added);
        _handle = handle;
    }

    /// <summary>The driver's value.</summary>
    public nint Value => _handle.DangerousGetHandle();

    public void Dispose() => _handle?.DangerousRelease();
}
