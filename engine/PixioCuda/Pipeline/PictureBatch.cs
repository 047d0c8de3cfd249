namespace PixioCuda.Pipeline;

/// <summary>Neighbours in the order that run together, and those between them that are no pictures or failed. Used again when its results
/// were taken.</summary>
internal sealed class PictureBatch(int capacity, BatchPixels pixels) : IDisposable
{
    // A source of nothing but bad pictures must not collect them without end.
    private const int MaxSlots = 4096;

    private readonly List<PictureSlot> _slots = [];
    private EncoderOutputs? _outputs;
    private TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when the batch has run.</summary>
    public Task Completed => _completion.Task;

    public IReadOnlyList<PictureSlot> Slots => _slots;

    /// <summary>Whether it is to go on as it is. What holds no picture has nothing to wait for.</summary>
    public bool IsFull => PictureCount == capacity || (PictureCount == 0 && _slots.Count > 0) || _slots.Count >= MaxSlots;

    private int PictureCount { get; set; }

    private ImageSize Size { get; set; }

    /// <summary>Whether a picture can run with those that are here.</summary>
    public bool Suits(PictureSlot slot) => PictureCount == 0 || !slot.IsPicture || slot.Size == Size;

    /// <summary>Adds what comes next, and lets go of what it held.</summary>
    /// <exception cref="ArgumentException">The batch is too large for an array.</exception>
    /// <exception cref="PixioException">A GPU is to preprocess it, and fails or has too little memory.</exception>
    public void Add(PictureSlot slot)
    {
        _slots.Add(slot);
        if (!slot.IsPicture)
            return;
        Size = slot.Size;
        pixels.Add(slot, PictureCount, capacity);
        slot.Release();
        PictureCount++;
    }

    /// <summary>Runs the encoder; what goes wrong is told to whoever waits for <see cref="Completed"/>.</summary>
    public void Run(PixioModel model, EncoderTaps taps, CancellationToken cancellationToken)
    {
        try
        {
            if (PictureCount > 0)
            {
                InputShape shape = new(PictureCount, Size);
                if (_outputs?.Plan.Shape != shape)
                    _outputs = model.CreateOutputs(shape, taps);
                pixels.Run(model, _outputs, cancellationToken);
            }

            _completion.SetResult();
        }
        catch (OperationCanceledException exception)
        {
            _completion.SetCanceled(exception.CancellationToken);
        }
        catch (Exception exception)
        {
            _completion.SetException(exception);
        }
    }

    /// <summary>What became of every slot that is no mark of the pipeline's own.</summary>
    public IEnumerable<PictureResult> Results()
    {
        int picture = 0;
        foreach (PictureSlot slot in _slots)
        {
            IReadOnlyList<PictureFeature> features = slot.IsPicture ? Features(picture++) : [];
            yield return new PictureResult(slot.Entry, slot.Failure, features, slot.ContentHash);
        }
    }

    /// <summary>Empties the batch.</summary>
    public void Reset()
    {
        foreach (PictureSlot slot in _slots)
            slot.Dispose();
        _slots.Clear();
        PictureCount = 0;
        _completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public void Dispose() => pixels.Dispose();

    private PictureFeature[] Features(int picture)
    {
        EncoderOutputs outputs = _outputs!;
        return
        [
            .. outputs.Plan.Outputs.Select(output =>
            {
                int length = (int)(output.Length / output.Shape[0]);
                return new PictureFeature(output.Name, [.. output.Shape.Skip(1)], outputs[output.Name].Slice(picture * length, length));
            }),
        ];
    }
}
