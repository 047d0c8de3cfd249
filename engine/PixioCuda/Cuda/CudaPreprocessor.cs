using System.Numerics;
using System.Runtime.InteropServices;
using PixioCuda.Imaging;
using PixioCuda.Imaging.Resampling;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda;

/// <summary>Brings pictures into the pixels of batches on a CUDA device, one after the other on a stream of its own: decoded ones, which it
/// resizes and normalises there with the CPU's arithmetic bit for bit, and such as the CPU has made pixel values of. The caller gets his
/// memory back at once. In the steady state it allocates nothing. Not thread-safe.</summary>
internal sealed unsafe class CudaPreprocessor : IDisposable
{
    /// <summary>The device memory that one picture may take while it is resized: what 27 million pixels do.</summary>
    public const long DefaultByteLimit = 80 << 20;

    // The host fills one while the device copies the other.
    private const int StagingCount = 2;

    private const long LeastByteCount = 1 << 20;

    private readonly CudaBackend _backend;
    private readonly GpuDevice _device;
    private readonly PixelNormalization _normalization;
    private readonly long _byteLimit;
    private readonly ResizeRowsKernel _rows;
    private readonly ResizeColumnsKernel _columns;
    private readonly GpuStream _stream;
    private readonly List<Staging> _stagings = [];
    private DeviceMemory<byte>? _scratch;
    private int _next;
    private bool _isDisposed;

    /// <summary>Fetches the kernels; memory is taken as pictures need it.</summary>
    /// <param name="backend">What runs the batches.</param>
    /// <param name="device">Its device.</param>
    /// <param name="scale">What is done to the values of pixels.</param>
    /// <param name="byteLimit">The device memory that a picture may take while it is resized; at least that of a pixel.</param>
    /// <exception cref="CudaException">The driver refuses something.</exception>
    /// <exception cref="KernelCompilationException">A kernel does not compile.</exception>
    public CudaPreprocessor(CudaBackend backend, GpuDevice device, PixelScale scale, long byteLimit)
    {
        _backend = backend;
        _device = device;
        _byteLimit = byteLimit;
        _normalization = NormalizationOf(scale);
        _rows = new ResizeRowsKernel(device);
        _columns = new ResizeColumnsKernel(device, planes: true);
        _stream = device.CreateStream();
        try
        {
            for (int i = 0; i < StagingCount; i++)
                _stagings.Add(new Staging(device.CreateEvent()));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What it holds of the device's memory, in bytes: at most the limit.</summary>
    public long ScratchByteCount => _scratch?.ByteCount ?? 0;

    /// <summary>What it holds of the host's memory, in bytes: at most twice the limit.</summary>
    public long PinnedByteCount => _stagings.Sum(staging => staging.Memory?.ByteCount ?? 0);

    /// <summary>Makes device memory for the pixels of a batch.</summary>
    /// <param name="pictures">How many it holds at most.</param>
    /// <param name="length">The pixel values of one.</param>
    /// <exception cref="PixioException">The device has too little memory.</exception>
    public DeviceTensor<float> CreatePixels(int pictures, int length)
    {
        try
        {
            return _backend.CreateTensor<float>([pictures, length], (long)pictures * length);
        }
        catch (CudaException exception)
        {
            throw CudaFailure.OfPreprocessing(exception, _device, sizeof(float) * (long)pictures * length);
        }
    }

    /// <summary>Resizes, crops and normalises a picture.</summary>
    /// <param name="image">One that <see cref="PreprocessLayout.Fits"/>; read before this comes back.</param>
    /// <param name="axes">How it is resized.</param>
    /// <param name="pixels">Where its pixel values go, among those of other pictures.</param>
    /// <param name="first">The first of them.</param>
    /// <exception cref="PixioException">The device fails, or has too little memory. A failure of what is only put on its stream here shows
    /// in the run of the batch.</exception>
    public void Resize(RgbImage image, ResizeAxes axes, DeviceTensor<float> pixels, long first)
    {
        (BicubicAxis horizontal, BicubicAxis vertical) = axes;
        int rowBytes = 3 * image.Width, rowCount = vertical.InputEnd - vertical.InputStart;
        PreprocessLayout layout = PreprocessLayout.Of(
            image.Width, rowCount, horizontal.Size, horizontal.Stride, vertical.Size, vertical.Stride);
        try
        {
            PinnedMemory<byte> staging = TakeStaging(layout.Rows, out GpuEvent copied);
            DevicePointer<byte> scratch = Scratch(layout.ByteCount);
            image.Pixels.Span.Slice(vertical.InputStart * rowBytes, rowCount * rowBytes)
                .CopyTo(new Span<byte>(staging.Pointer, rowCount * rowBytes));
            Write(horizontal, staging.Pointer + layout.Horizontal);
            Write(vertical, staging.Pointer + layout.Vertical);

            _device.CopyAsync(_stream, staging, 0, scratch, layout.Rows);
            _stream.Record(copied);
            ResizeAxisTable columns = Table(horizontal, scratch[layout.Horizontal]), rows = Table(vertical, scratch[layout.Vertical]);
            DevicePointer<byte> between = scratch[layout.Rows];
            _rows.Launch(_stream, scratch, image.Width, rowCount, columns, firstRow: 0, rowCount, between);
            pixels.Order.Enter(_stream);
            _columns.Launch(_stream, between, horizontal.Size, rows, _normalization, pixels.Memory.As<float>()[first].As<byte>());
            pixels.Order.Leave(_stream);
        }
        catch (CudaException exception)
        {
            Settle();
            throw CudaFailure.OfPreprocessing(exception, _device, layout.ByteCount);
        }
    }

    /// <summary>Copies pixel values.</summary>
    /// <param name="values">Of one picture; read before this comes back.</param>
    /// <param name="pixels">Where they go, among those of other pictures.</param>
    /// <param name="first">The first of them.</param>
    /// <exception cref="PixioException">As for <see cref="Resize"/>.</exception>
    public void Copy(ReadOnlySpan<float> values, DeviceTensor<float> pixels, long first)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values);
        DevicePointer<byte> to = pixels.Memory.As<float>()[first].As<byte>();
        try
        {
            pixels.Order.Enter(_stream);
            while (!bytes.IsEmpty)
            {
                int count = (int)Math.Min(bytes.Length, _byteLimit);
                PinnedMemory<byte> staging = TakeStaging(count, out GpuEvent copied);
                bytes[..count].CopyTo(new Span<byte>(staging.Pointer, count));
                _device.CopyAsync(_stream, staging, 0, to, count);
                _stream.Record(copied);
                bytes = bytes[count..];
                to = to[count];
            }

            pixels.Order.Leave(_stream);
        }
        catch (CudaException exception)
        {
            Settle();
            throw CudaFailure.OfPreprocessing(exception, _device, values.Length * sizeof(float));
        }
    }

    /// <summary>Waits for what is on the stream, and frees everything but the pixels of batches.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        Settle();
        foreach (Staging staging in _stagings)
            staging.Dispose();
        _scratch?.Dispose();
        _stream.Dispose();
    }

    private static PixelNormalization NormalizationOf(PixelScale scale) => scale.Normalization is { } normalization
        ? new PixelNormalization(
            scale.Factor ?? 1, [.. normalization.Mean.Select(mean => (float)mean)],
            [.. normalization.Deviation.Select(deviation => (float)deviation)])
        : PixelNormalization.None with { Factor = scale.Factor ?? 1 };

    private static ResizeAxisTable Table(BicubicAxis axis, DevicePointer<byte> place) =>
        new(place.As<int>(), axis.Size, axis.Stride, axis.InputStart);

    private static void Write(BicubicAxis axis, byte* place)
    {
        Span<int> table = new(place, checked((int)ResizeAxisTable.LengthOf(axis.Size, axis.Stride)));
        axis.First.CopyTo(table);
        axis.Count.CopyTo(table[axis.Size..]);
        axis.Weights.CopyTo(table[(2 * axis.Size)..]);
    }

    /// <summary>The pinned memory that was used longest ago, when the device has read it.</summary>
    private PinnedMemory<byte> TakeStaging(long byteCount, out GpuEvent copied)
    {
        Staging staging = _stagings[_next];
        _next = (_next + 1) % StagingCount;
        copied = staging.Copied;
        // An event that was never recorded holds nobody up.
        copied.Synchronize();
        if (!(staging.Memory?.Count >= byteCount))
        {
            staging.Memory?.Dispose();
            staging.Memory = null;
            staging.Memory = _device.AllocatePinned<byte>(Rounded(byteCount));
        }

        return staging.Memory;
    }

    private DevicePointer<byte> Scratch(long byteCount)
    {
        if (!(_scratch?.Count >= byteCount))
        {
            // The last picture's kernels may still read it.
            _stream.Synchronize();
            _scratch?.Dispose();
            _scratch = null;
            _scratch = _device.Allocate<byte>(Rounded(byteCount));
        }

        return _scratch.Pointer;
    }

    /// <summary>Grows in powers of two, so that it does so seldom.</summary>
    private long Rounded(long byteCount)
        => Math.Max(Math.Min((long)BitOperations.RoundUpToPowerOf2((ulong)Math.Max(byteCount, LeastByteCount)), _byteLimit), byteCount);

    /// <summary>Waits for what is on the stream, where a failure is known already or nobody is left to be told of it.</summary>
    private void Settle()
    {
        try
        {
            _stream.Synchronize();
        }
        catch (Exception exception) when (exception is CudaException or ObjectDisposedException)
        {
            // What failed shows in the run of the batch.
        }
    }

    private sealed class Staging(GpuEvent copied) : IDisposable
    {
        /// <summary>Behind the last copy of <see cref="Memory"/>.</summary>
        public GpuEvent Copied => copied;

        public PinnedMemory<byte>? Memory { get; set; }

        public void Dispose()
        {
            Memory?.Dispose();
            copied.Dispose();
        }
    }
}
