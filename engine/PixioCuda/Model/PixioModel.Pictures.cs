using PixioCuda.Cuda;
using PixioCuda.Diagnostics;
using PixioCuda.Imaging;

namespace PixioCuda;

public sealed partial class PixioModel
{
    private static readonly StbImageDecoder DefaultDecoder = new();

    private readonly PixioModelOptions _options;

    // Only made when a picture comes: a model whose input has other than three channels runs on pixel values alone.
    private readonly Lazy<ImageProcessor> _processor;

    /// <summary>How pictures become pixel values; its <see cref="ImageRecipe.Id"/> belongs into every output.</summary>
    public ImageRecipe Recipe { get; }

    /// <summary>What decodes pictures.</summary>
    internal IImageDecoder Decoder => _options.Decoder ?? DefaultDecoder;

    /// <summary>Limits for pictures.</summary>
    internal ImageDecodeOptions DecodeOptions => _options.DecodeOptions;

    /// <summary>How many runs the device does at a time.</summary>
    internal int ConcurrentRuns => _backend is CudaBackend ? _options.CudaSessions : 1;

    /// <summary>Decodes a picture file with the decoder and the limits of the options.</summary>
    /// <exception cref="ImageFormatException">The file is not a picture that can be decoded.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public RgbImage Decode(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Decode(File.ReadAllBytes(path), path);
    }

    /// <summary>Decodes a picture with the decoder and the limits of the options.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <exception cref="ImageFormatException">It is not a picture that can be decoded.</exception>
    public RgbImage Decode(ReadOnlySpan<byte> encoded, string name)
    {
        using ModelTelemetry.StageTimer timer = _telemetry.Time(PixioStage.Decode);
        return Decoder.Decode(encoded, name, DecodeOptions);
    }

    /// <summary>The size of a picture's pixel values after resize and crop.</summary>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    /// <exception cref="ModelFormatException">The model does not take pictures of three channels.</exception>
    public ImageSize InputSizeOf(RgbImage image)
    {
        (int height, int width) = _processor.Value.OutputSize(image);
        return new ImageSize(height, width);
    }

    /// <summary>Resizes, crops and normalises a picture as the recipe says.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="pixels">[3, height, width] of <see cref="InputSizeOf"/>, filled completely.</param>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    /// <exception cref="ArgumentException"><paramref name="pixels"/> is of another length.</exception>
    public void Preprocess(RgbImage image, Span<float> pixels)
    {
        using ModelTelemetry.StageTimer timer = _telemetry.Time(PixioStage.Preprocess);
        _processor.Value.Process(image, pixels);
    }

    /// <summary>The first half of <see cref="Preprocess(RgbImage, Span{float})"/>.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="rgb">[height, width, 3] of <see cref="InputSizeOf"/>, filled completely.</param>
    internal void Resize(RgbImage image, Span<byte> rgb)
    {
        using ModelTelemetry.StageTimer timer = _telemetry.Time(PixioStage.Preprocess);
        _processor.Value.Resize(image, rgb);
    }

    /// <summary>The second half of <see cref="Preprocess(RgbImage, Span{float})"/>.</summary>
    /// <param name="rgb">[height, width, 3].</param>
    /// <param name="pixels">[3, height, width], filled completely.</param>
    internal void Normalize(ReadOnlySpan<byte> rgb, Span<float> pixels) => _processor.Value.Normalize(rgb, pixels);

    /// <summary>Resizes and crops a picture as the recipe says, for a run that takes bytes (<see cref="PixelFormat.U8"/>) and normalises them
    /// itself.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="rgb">[height, width, 3] of <see cref="InputSizeOf"/>, filled completely.</param>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    /// <exception cref="ArgumentException"><paramref name="rgb"/> is of another length.</exception>
    public void Preprocess(RgbImage image, Span<byte> rgb) => _processor.Value.Resize(image, rgb);

    /// <summary>Embeds a picture file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kind">Which embedding.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run.</param>
    /// <returns>The embedding: d numbers, or as many as <paramref name="kind"/> has.</returns>
    /// <exception cref="ImageFormatException">The file is not a picture that can be decoded.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public float[] Embed(string path, EmbeddingKind kind = EmbeddingKind.Pooler, CancellationToken cancellationToken = default) =>
        Embed(Decode(path), kind, cancellationToken);

    /// <summary>Embeds a picture.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="kind">Which embedding.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run.</param>
    /// <returns>The embedding: d numbers, or as many as <paramref name="kind"/> has.</returns>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public float[] Embed(RgbImage image, EmbeddingKind kind = EmbeddingKind.Pooler, CancellationToken cancellationToken = default)
    {
        EncoderOutputs outputs = Run([image], EncoderTaps.For(kind), cancellationToken);
        return outputs[EmbeddingKinds.OutputOf(kind)].ToArray();
    }

    /// <summary>Runs the encoder on a batch of pictures, which the recipe must bring to one size.</summary>
    /// <param name="images">At least one picture.</param>
    /// <param name="taps">What to compute.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run.</param>
    /// <exception cref="ArgumentException">There is no picture, the sizes differ after the recipe, or a tap does not exist.</exception>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public EncoderOutputs Run(IReadOnlyList<RgbImage> images, EncoderTaps taps, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Count == 0)
            throw new ArgumentException("A batch holds at least one picture.", nameof(images));
        ImageSize size = InputSizeOf(images[0]);
        foreach (RgbImage image in images)
        {
            if (InputSizeOf(image) != size)
                throw new ArgumentException($"The pictures of one batch must come out of the recipe {Recipe.Id} in one size, but there are {size} and {InputSizeOf(image)}.", nameof(images));
        }

        EncoderOutputs outputs = CreateOutputs(new InputShape(images.Count, size), taps);
        float[] pixels = new float[outputs.Plan.InputLength];
        int length = pixels.Length / images.Count;
        for (int index = 0; index < images.Count; index++)
            Preprocess(images[index], pixels.AsSpan(index * length, length));
        Run(pixels, outputs, cancellationToken);
        return outputs;
    }
}
