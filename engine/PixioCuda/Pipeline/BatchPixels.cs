using PixioCuda.Cuda;

namespace PixioCuda.Pipeline;

/// <summary>The memory of a batch's pixel values: grows to what is needed, and is used again.</summary>
internal abstract class BatchPixels : IDisposable
{
    /// <summary>Puts a picture's pixel values in their place.</summary>
    /// <param name="slot">A picture of the batch's size.</param>
    /// <param name="index">Its place, from 0.</param>
    /// <param name="capacity">The most pictures of the batch.</param>
    public abstract void Add(PictureSlot slot, int index, int capacity);

    /// <summary>Runs the encoder on the first pictures.</summary>
    public abstract void Run(PixioModel model, EncoderOutputs outputs, CancellationToken cancellationToken);

    public abstract void Dispose();

    /// <summary>How many pixel values a picture has.</summary>
    protected static int LengthOf(PictureSlot slot) => checked((int)(3 * slot.Size.Area));
}

/// <summary>Pixel values in the host's memory.</summary>
internal sealed class HostBatchPixels : BatchPixels
{
    private float[] _pixels = [];

    public override void Add(PictureSlot slot, int index, int capacity)
    {
        int length = LengthOf(slot);
        long needed = (long)length * capacity;
        if (needed > Array.MaxLength)
        {
            throw new ArgumentException(
                $"A batch of {capacity} pictures of {slot.Size} takes more memory than one array holds. Use a smaller batch.");
        }

        if (_pixels.Length < needed)
            _pixels = GC.AllocateUninitializedArray<float>((int)needed);
        slot.Pixels!.AsSpan(0, length).CopyTo(_pixels.AsSpan(index * length));
    }

    public override void Run(PixioModel model, EncoderOutputs outputs, CancellationToken cancellationToken) =>
        model.Run(_pixels.AsSpan(0, (int)outputs.Plan.InputLength), outputs, cancellationToken);

    public override void Dispose() { }
}

/// <summary>Pixel values in a GPU's memory, which makes them of decoded pictures.</summary>
internal sealed class DeviceBatchPixels(CudaPreprocessor preprocessor) : BatchPixels
{
    private DeviceTensor<float>? _pixels;

    public override void Add(PictureSlot slot, int index, int capacity)
    {
        int length = LengthOf(slot);
        // Shorter pictures lie closer together.
        if (!(_pixels?.Length >= (long)length * capacity))
        {
            _pixels?.Dispose();
            _pixels = null;
            _pixels = preprocessor.CreatePixels(capacity, length);
        }

        long first = (long)index * length;
        if (slot.Decoded is { } decoded)
            preprocessor.Resize(decoded.Image, decoded.Axes, _pixels, first);
        else
            preprocessor.Copy(slot.Pixels.AsSpan(0, length), _pixels, first);
    }

    public override void Run(PixioModel model, EncoderOutputs outputs, CancellationToken cancellationToken)
    {
        InputShape shape = outputs.Plan.Shape;
        model.Run(
            (DeviceTensor<float>)_pixels!.Slice(0, [shape.Batch, 3, shape.Size.Height, shape.Size.Width]), outputs, cancellationToken);
    }

    public override void Dispose() => _pixels?.Dispose();
}
