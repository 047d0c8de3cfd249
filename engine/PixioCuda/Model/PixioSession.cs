using System.Numerics.Tensors;
using PixioCuda.Imaging;

namespace PixioCuda;

/// <summary>One caller's memory for one shape and one set of taps: pixel values in, outputs out, used again by every run. A run of a session
/// allocates nothing, pictures included (their scratch memory is from the shared pool of arrays). Not thread-safe: each thread has its own,
/// and any number of them share one model.</summary>
public sealed class PixioSession
{
    private readonly PixioModel _model;
    private readonly float[] _pixels;

    internal PixioSession(PixioModel model, EncoderOutputs outputs)
    {
        if (outputs.Plan.InputLength > Array.MaxLength)
        {
            throw new ArgumentException(
                $"A batch of {outputs.Plan.Shape} has {outputs.Plan.InputLength:N0} pixel values, more than one array holds. Use a smaller batch.",
                nameof(outputs));
        }

        _model = model;
        Outputs = outputs;
        _pixels = new float[outputs.Plan.InputLength];
    }

    /// <summary>Batch, height and width.</summary>
    public InputShape Shape => Outputs.Plan.Shape;

    /// <summary>pixel_values [B, C, H, W], row-major; what the next run reads.</summary>
    public Span<float> Pixels => _pixels;

    /// <summary>What the last run wrote.</summary>
    public EncoderOutputs Outputs { get; }

    /// <summary>Resizes, crops and normalises a picture into its place in the batch.</summary>
    /// <param name="index">Which one, from 0.</param>
    /// <param name="image">The picture.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch has no such place.</exception>
    /// <exception cref="ArgumentException">The recipe brings the picture to another size than the session's.</exception>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    public void SetPicture(int index, RgbImage image)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Shape.Batch);
        ImageSize size = _model.InputSizeOf(image);
        if (size != Shape.Size)
            throw new ArgumentException($"The picture comes out of the recipe {_model.Recipe.Id} as {size}, and this session runs {Shape.Size}.", nameof(image));
        int length = _pixels.Length / Shape.Batch;
        _model.Preprocess(image, _pixels.AsSpan(index * length, length));
    }

    /// <summary>Runs the encoder on <see cref="Pixels"/> into <see cref="Outputs"/>.</summary>
    /// <param name="cancellationToken">Looked at between the steps of the run; the outputs are then undefined.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public void Run(CancellationToken cancellationToken = default) => _model.Run(_pixels, Outputs, cancellationToken);

    /// <summary>One output as a tensor over its memory, of the shape of <see cref="EncoderOutputs.ShapeOf"/>.</summary>
    /// <param name="name">One of the names in <see cref="EncoderPlan.Outputs"/>.</param>
    /// <exception cref="ArgumentException">There is no such output; the message lists those there are.</exception>
    public ReadOnlyTensorSpan<float> TensorOf(string name) => Outputs.TensorOf(name);
}
