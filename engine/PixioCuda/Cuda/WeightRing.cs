using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Weights;

namespace PixioCuda.Cuda;

/// <summary>A stretch of a stored tensor on its way to its place in device memory.</summary>
/// <param name="Tensor">The stored tensor.</param>
/// <param name="FirstElement">Where the stretch begins.</param>
/// <param name="Count">Its elements.</param>
/// <param name="Destination">Where its first element goes.</param>
/// <param name="Type">The number format there.</param>
/// <param name="Fold">The LayerNorm that it takes in on its way; it is whole rows then.</param>
internal readonly record struct WeightChunk(
    TensorInfo Tensor, long FirstElement, int Count, DevicePointer<byte> Destination, ElementType Type, WeightFold? Fold = null);

/// <summary>A LayerNorm on its way into some rows of a weight (fold_norm.cu).</summary>
/// <param name="Columns">Of a row.</param>
/// <param name="NormWeight">[Columns].</param>
/// <param name="NormBias">[Columns].</param>
/// <param name="RowSums">[rows]: those of the folded weights.</param>
/// <param name="Bias">[rows], to which what the norm adds is added.</param>
internal sealed record WeightFold(
    int Columns, DevicePointer<float> NormWeight, DevicePointer<float> NormBias, DevicePointer<float> RowSums, DevicePointer<float> Bias)
{
    /// <summary>That of the rows behind some.</summary>
    public WeightFold Behind(int rows) => this with { RowSums = RowSums[rows], Bias = Bias[rows] };
}

/// <summary>
/// Brings weights from files to the device: several threads read stretches at their positions into pinned slots; each slot is copied on its
/// thread's own stream and converted there by the device. Host memory is that of the slots, whatever the checkpoint's size.
/// </summary>
internal sealed class WeightRing
{
    private const int SlotsPerReader = 2;

    private readonly GpuDevice _device;
    private readonly int _readers;
    private readonly int _slotByteCount;

    /// <summary>Divides the ring's memory among its readers.</summary>
    /// <param name="device">Where the weights go.</param>
    /// <param name="byteCount">Pinned memory in all, and as much again on the device.</param>
    /// <param name="rowByteCount">The longest row that has to go as a whole: no slot is smaller.</param>
    public WeightRing(GpuDevice device, long byteCount, int rowByteCount = 0)
    {
        _device = device;
        // One reader cannot keep a fast disk busy, nor more than a few make it faster.
        _readers = Math.Clamp(Environment.ProcessorCount, 1, 4);
        _slotByteCount = (int)Math.Clamp(byteCount / (_readers * SlotsPerReader) / 4096 * 4096, Math.Max(4096, rowByteCount), 1 << 28);
    }

    /// <summary>The most elements of a stored type that one chunk may have.</summary>
    public int ChunkElements(DType stored) => _slotByteCount / stored.ElementBytes();

    /// <summary>Streams chunks, in any order, and returns when all are in place. Where there are several files, they are read side by
    /// side.</summary>
    /// <param name="source">Where the tensors are.</param>
    /// <param name="chunks">What to bring, none larger than <see cref="ChunkElements"/>.</param>
    /// <param name="report">Told the elements of each chunk that is under way, on the threads that read.</param>
    /// <param name="cancellationToken">Looked at between chunks.</param>
    /// <exception cref="ModelFormatException">A file ends before its tensors do, or changes.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Stream(ITensorSource source, IReadOnlyList<WeightChunk> chunks, Action<int>? report, CancellationToken cancellationToken)
    {
        chunks = SideBySide(chunks, chunk => source.FileOf(chunk.Tensor));
        int next = -1;
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(0, Math.Min(_readers, chunks.Count)).Select(number =>
            new Thread(Read) { IsBackground = true, Name = $"pixio weights {number}" })];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        if (failure is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);

        void Read()
        {
            try
            {
                using Lane lane = new(_device, _slotByteCount);
                int index;
                while (Volatile.Read(ref failure) is null && (index = Interlocked.Increment(ref next)) < chunks.Count)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    lane.Send(source, chunks[index]);
                    report?.Invoke(chunks[index].Count);
                }

                lane.Finish();
            }
            catch (Exception exception)
            {
                // The first failure is the reason; the others only follow from it.
                Interlocked.CompareExchange(ref failure, exception, null);
            }
        }
    }

    /// <summary>Takes one chunk of each file in turn; within a file they stay in their order.</summary>
    internal static IReadOnlyList<WeightChunk> SideBySide(IReadOnlyList<WeightChunk> chunks, Func<WeightChunk, string> fileOf)
    {
        List<WeightChunk>[] files = [.. chunks.GroupBy(fileOf).Select(file => file.ToList())];
        if (files.Length <= 1)
            return chunks;
        List<WeightChunk> mixed = new(chunks.Count);
        for (int index = 0; mixed.Count < chunks.Count; index++)
            mixed.AddRange(files.Where(file => index < file.Count).Select(file => file[index]));
        return mixed;
    }

    /// <summary>One reader's slots and stream.</summary>
    private sealed class Lane : IDisposable
    {
        private readonly GpuDevice _device;
        private readonly Slot[] _slots;
        private readonly GpuStream _stream;
        private int _turn;

        public Lane(GpuDevice device, int slotByteCount)
        {
            _device = device;
            _stream = device.CreateStream();
            _slots = new Slot[SlotsPerReader];
            try
            {
                for (int i = 0; i < _slots.Length; i++)
                    _slots[i] = new Slot(device, slotByteCount);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public void Send(ITensorSource source, in WeightChunk chunk)
        {
            Slot slot = _slots[_turn];
            _turn = (_turn + 1) % _slots.Length;
            // Pinned memory is read when the copy runs: the slot's last one must be through.
            slot.Free.Synchronize();
            int elementBytes = chunk.Tensor.DType.ElementBytes(), byteCount = chunk.Count * elementBytes;
            source.ReadBytes(chunk.Tensor, chunk.FirstElement * elementBytes, slot.Host.Slice(0, byteCount));
            ElementType stored = ElementOf(chunk.Tensor.DType);
            if (chunk.Fold is WeightFold fold)
            {
                _device.CopyAsync(_stream, slot.Host, 0, slot.Device.Pointer, byteCount);
                FoldNormShape shape = new(chunk.Count / fold.Columns, fold.Columns, stored, chunk.Type);
                new FoldNormKernel(_device, FoldNormKernel.SelectConfig(shape)).Launch(
                    _stream, shape, slot.Device.Pointer, fold.NormWeight, fold.NormBias, chunk.Destination, fold.RowSums, fold.Bias);
            }
            else if (stored == chunk.Type)
            {
                _device.CopyAsync(_stream, slot.Host, 0, chunk.Destination, byteCount);
            }
            else
            {
                _device.CopyAsync(_stream, slot.Host, 0, slot.Device.Pointer, byteCount);
                ConvertShape shape = ConvertShape.Flat(chunk.Count, stored, chunk.Type);
                new ConvertKernel(_device, ConvertKernel.SelectConfig(shape)).Launch(_stream, shape, slot.Device.Pointer, chunk.Destination);
            }

            _stream.Record(slot.Free);
        }

        public void Finish() => _stream.Synchronize();

        public void Dispose()
        {
            try
            {
                // After a failure copies may still be on their way from the slots.
                _stream.Synchronize();
            }
            catch (CudaException)
            {
                // A reason for the failure is known already.
            }

            foreach (Slot? slot in _slots)
                slot?.Dispose();
            _stream.Dispose();
        }

        private static ElementType ElementOf(DType type) => type switch
        {
            DType.F32 => ElementType.F32,
            DType.F16 => ElementType.F16,
            DType.BF16 => ElementType.BF16,
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "This type cannot be converted."),
        };
    }

    private sealed class Slot : IDisposable
    {
        public Slot(GpuDevice device, int byteCount)
        {
            Host = device.AllocatePinned<byte>(byteCount);
            try
            {
                Device = device.Allocate<byte>(byteCount);
                Free = device.CreateEvent();
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public PinnedMemory<byte> Host { get; }

        public DeviceMemory<byte> Device { get; } = null!;

        public GpuEvent Free { get; } = null!;

        public void Dispose()
        {
            Free?.Dispose();
            Device?.Dispose();
            Host.Dispose();
        }
    }
}
