using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>
/// Something that lives in a context and keeps it alive. It holds its context from before the driver makes the thing until after the thing
/// is destroyed, so that no failure in between leaks either.
/// </summary>
internal abstract class ContextChildHandle : SafeHandle
{
    private readonly ContextHandle _context;
    private readonly bool _holdsContext;

    /// <exception cref="ObjectDisposedException">The context was let go.</exception>
    protected ContextChildHandle(ContextHandle context)
        : base(0, ownsHandle: true)
    {
        _context = context;
        context.DangerousAddRef(ref _holdsContext);
    }

    /// <summary>Never, once it holds its context: that is to be released even if the driver made nothing.</summary>
    public override bool IsInvalid => !_holdsContext;

    /// <summary>Whether the driver made something.</summary>
    public bool HasValue => handle != 0;

    /// <summary>Takes over what the driver has made.</summary>
    public void Adopt(nint value) => SetHandle(value);

    /// <summary>Destroys it; its context is current.</summary>
    protected abstract CUresult Destroy(nint value);

    protected override bool ReleaseHandle()
    {
        // This may be the finalizer's thread, or a caller's that has another context current.
        bool released = true;
        if (handle != 0)
        {
            // If it cannot be made current it may be so already: destroying is tried in any case.
            _ = CudaDriverApi.cuCtxSetCurrent(_context.DangerousGetHandle());
            released = Destroy(handle) == CUresult.CUDA_SUCCESS;
        }

        _context.DangerousRelease();
        return released;
    }
}
