using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace PixioCuda.Interop;

/// <summary>
/// A device's primary context as a <see cref="GpuDevice"/> and its parts use it: makes it current for each call, checks each result, and
/// remembers the error after which the driver refuses everything.
/// </summary>
internal sealed class GpuContext : IDisposable
{
    private readonly ContextHandle _handle;
    private CudaException? _firstError;
    private volatile bool _isDisposed;

    public GpuContext(int device, string title)
    {
        Title = title;
        _handle = ContextHandle.Retain(device, title);
    }

    /// <summary>The device in a sentence: "cuda:0 (NVIDIA H200)".</summary>
    public string Title { get; }

    /// <summary>For what is made in this context.</summary>
    public ContextHandle Handle => _handle;

    /// <summary>The error that ended the context, or null while it lives.</summary>
    public CudaException? FirstError => Volatile.Read(ref _firstError);

    /// <summary>Makes the context the calling thread's current one; before each call, because other code in the process may change
    /// it.</summary>
    /// <exception cref="CudaException">An earlier error ended the context.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public void MakeCurrent()
    {
        // Its children may keep the context alive; nothing new is to be done in it all the same.
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(GpuDevice));
        if (FirstError is not null)
            ThrowDead();
        using var lease = new HandleLease(_handle);
        Check(CudaDriverApi.cuCtxSetCurrent(lease.Value), nameof(CudaDriverApi.cuCtxSetCurrent));
    }

    /// <summary>Throws unless a function succeeded.</summary>
    /// <param name="result">What it returned.</param>
    /// <param name="function">Its name, a constant.</param>
    /// <exception cref="CudaException">It failed.</exception>
    public void Check(CUresult result, string function)
    {
        if (result != CUresult.CUDA_SUCCESS)
            throw Failure(result, function, "A call");
    }

    /// <summary>The exception for a failed function; a sticky error ends the context.</summary>
    /// <param name="result">What it returned.</param>
    /// <param name="function">Its name.</param>
    /// <param name="what">What failed: "The launch of the kernel 'layer_norm'".</param>
    public CudaException Failure(CUresult result, string function, string what)
    {
        CudaException exception = CudaErrors.Create(result, function, $"{what} on {Title} failed:");
        if (CudaErrors.IsSticky(result))
            Interlocked.CompareExchange(ref _firstError, exception, null);
        return exception;
    }

    /// <summary>Makes something that lives in this context.</summary>
    /// <typeparam name="THandle">What holds it.</typeparam>
    /// <param name="handle">The holder, still empty; disposed if this fails.</param>
    /// <param name="result">What the driver's function returned.</param>
    /// <param name="value">What it made.</param>
    /// <param name="function">Its name.</param>
    /// <param name="what">What failed, if it did.</param>
    public THandle Adopt<THandle>(THandle handle, CUresult result, nint value, string function, string what)
        where THandle : ContextChildHandle
    {
        if (result == CUresult.CUDA_SUCCESS)
        {
            handle.Adopt(value);
            return handle;
        }

        handle.Dispose();
        throw Failure(result, function, what);
    }

    public void Dispose()
    {
        _isDisposed = true;
        _handle.Dispose();
    }

    [DoesNotReturn]
    [StackTraceHidden]
    private void ThrowDead()
    {
        CudaException first = FirstError!;
        throw new CudaException(first.Result, first.Function,
            $"{Title} can no longer be used by this process, because an earlier call ended its context. "
            + $"The first error was: {first.Message} "
            + "Dispose of everything on this device and open it again; if that fails too, restart the process.", first);
    }
}
