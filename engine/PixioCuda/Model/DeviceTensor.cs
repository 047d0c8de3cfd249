using System.Diagnostics.CodeAnalysis;
using PixioCuda.Cuda;
using PixioCuda.Interop;

namespace PixioCuda;

/// <summary>A row-major tensor in the memory of a CUDA device, for a run to read or to fill and for the host's own kernels to work on: made
/// by <see cref="PixioModel.CreateDeviceTensor{T}"/>, <see cref="PixioModel.BorrowDeviceMemory{T}"/> or
/// <see cref="PixioModel.CreateDeviceOutputs"/>.</summary>
/// <remarks>A run that reads or fills it is put on a stream of the model's own, and the call comes back before it has ended. Between runs the
/// order is kept by itself. Between runs and the host's own streams it is kept where the host asks for it: <see cref="MakeStreamWait"/> after
/// a run and before the work that uses its results, <see cref="WaitForStream"/> after that work and before the next run.
/// Valid as long as the model that made it.</remarks>
public abstract class DeviceTensor : IDisposable
{
    private readonly IDisposable? _owned;
    private readonly bool _ownsOrder;
    private bool _isDisposed;

    private protected DeviceTensor(
        GpuDevice device, DeviceOrder order, bool ownsOrder, DevicePointer<byte> pointer, IDisposable? owned, IReadOnlyList<int> shape)
    {
        Gpu = device;
        Order = order;
        _ownsOrder = ownsOrder;
        _owned = owned;
        DevicePointer = pointer;
        Shape = shape;
        Length = LengthOf(shape);
    }

    /// <summary>The address of the first element (a <c>CUdeviceptr</c>).</summary>
    /// <exception cref="ObjectDisposedException">The tensor was disposed of.</exception>
    public nint Address => unchecked((nint)Memory.Address);

    /// <summary>Dimensions, outermost first.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>The number of elements: the product of <see cref="Shape"/>.</summary>
    public long Length { get; }

    /// <summary>The device whose memory it is in, as <see cref="PixioModelOptions.Device"/> names it: "cuda:0".</summary>
    public string Device => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"cuda:{Gpu.Info.Ordinal}");

    internal GpuDevice Gpu { get; }

    internal DeviceOrder Order { get; }

    /// <summary>The first byte.</summary>
    internal DevicePointer<byte> Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return DevicePointer;
        }
    }

    private DevicePointer<byte> DevicePointer { get; }

    /// <summary>Keeps what is put on a stream from now on back until the runs so far that read or fill this tensor have ended. The host does
    /// not wait.</summary>
    /// <param name="stream">A stream of the host's (a <c>CUstream</c>) on the same device; 0 for the default stream.</param>
    /// <exception cref="PixioException">The driver refuses it.</exception>
    /// <exception cref="ObjectDisposedException">The tensor or its model was disposed of.</exception>
    public void MakeStreamWait(nint stream)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        CudaFailure.Translate(() => Order.MakeStreamWait(stream));
    }

    /// <summary>Keeps the runs from now on that read or fill this tensor back until the work so far on a stream has ended. The host does not
    /// wait.</summary>
    /// <param name="stream">A stream of the host's (a <c>CUstream</c>) on the same device; 0 for the default stream.</param>
    /// <exception cref="PixioException">The driver refuses it.</exception>
    /// <exception cref="ObjectDisposedException">The tensor or its model was disposed of.</exception>
    public void WaitForStream(nint stream)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        CudaFailure.Translate(() => Order.WaitForStream(stream));
    }

    /// <summary>Waits until the runs so far that read or fill this tensor have ended, and the work that <see cref="WaitForStream"/> was told
    /// of.</summary>
    /// <exception cref="PixioException">One of them failed.</exception>
    /// <exception cref="ObjectDisposedException">The tensor or its model was disposed of.</exception>
    public void Synchronize()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        CudaFailure.Translate(Order.Synchronize);
    }

    /// <summary>Waits for the runs that use the tensor, and frees its memory unless it was borrowed.</summary>
    [SuppressMessage("Usage", "CA1816", Justification = "There is no finalizer; the handles behind this have theirs.")]
    public void Dispose()
    {
        if (_isDisposed)
            return;
        Order.Drain();
        _isDisposed = true;
        if (_ownsOrder)
            Order.Dispose();
        _owned?.Dispose();
    }

    /// <summary>A part of the elements as a tensor that owns nothing.</summary>
    internal abstract DeviceTensor Slice(long first, IReadOnlyList<int> shape);

    internal static long LengthOf(IReadOnlyList<int> shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        long length = 1;
        foreach (int dimension in shape)
        {
            if (dimension < 1)
                throw new ArgumentException($"[{string.Join(", ", shape)}] is no shape of a tensor: each dimension is at least 1.", nameof(shape));
            length = checked(length * dimension);
        }

        return length;
    }
}

/// <summary>A tensor of one element type in the memory of a CUDA device.</summary>
/// <typeparam name="T">float or byte.</typeparam>
public sealed class DeviceTensor<T> : DeviceTensor
    where T : unmanaged
{
    internal DeviceTensor(
        GpuDevice device, DeviceOrder order, bool ownsOrder, DevicePointer<byte> pointer, IDisposable? owned, IReadOnlyList<int> shape)
        : base(device, order, ownsOrder, pointer, owned, shape)
    {
    }

    /// <summary>Waits for the runs that use the tensor, then copies it to the host, through a small pinned buffer.</summary>
    /// <param name="destination">[Length], filled completely.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is of another length.</exception>
    /// <exception cref="PixioException">A run or the copy failed.</exception>
    /// <exception cref="ObjectDisposedException">The tensor or its model was disposed of.</exception>
    public void CopyTo(Span<T> destination)
    {
        CheckLength(destination.Length, nameof(destination));
        try
        {
            Synchronize();
            Gpu.Download(Memory.As<T>(), destination);
        }
        catch (CudaException exception)
        {
            throw new PixioException(exception.Message, exception);
        }
    }

    /// <summary>Waits for the runs that use the tensor, then copies it from the host, through a small pinned buffer.</summary>
    /// <param name="source">[Length].</param>
    /// <exception cref="ArgumentException"><paramref name="source"/> is of another length.</exception>
    /// <exception cref="PixioException">A run or the copy failed.</exception>
    /// <exception cref="ObjectDisposedException">The tensor or its model was disposed of.</exception>
    public void CopyFrom(ReadOnlySpan<T> source)
    {
        CheckLength(source.Length, nameof(source));
        try
        {
            Synchronize();
            Gpu.Upload(Memory.As<T>(), source);
        }
        catch (CudaException exception)
        {
            throw new PixioException(exception.Message, exception);
        }
    }

    internal override DeviceTensor<T> Slice(long first, IReadOnlyList<int> shape)
        => new(Gpu, Order, ownsOrder: false, Memory.As<T>()[first].As<byte>(), owned: null, shape);

    private void CheckLength(int length, string parameter)
    {
        if (length != Length)
            throw new ArgumentException($"The tensor [{string.Join(", ", Shape)}] has {Length} elements, but {length} were given.", parameter);
    }
}
