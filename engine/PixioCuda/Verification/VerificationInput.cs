using System.Runtime.InteropServices;
using PixioCuda.Weights;

namespace PixioCuda.Verification;

/// <summary>What the model is run on.</summary>
/// <param name="Name">For the report.</param>
/// <param name="Shape">Batch, height and width.</param>
/// <param name="Pixels">pixel_values [B, C, H, W].</param>
/// <param name="Recipe">How a picture became pixel values; null where there was none.</param>
internal sealed record VerificationInput(string Name, InputShape Shape, float[] Pixels, string? Recipe)
{
    public const string PixelValues = "pixel_values";

    /// <summary>Values as normalised pixels have them, from a seed.</summary>
    public static VerificationInput Noise(PixioConfig config, ulong seed = 0)
    {
        InputShape shape = new(1, config.ImageSize);
        float[] pixels = new float[config.Channels * config.ImageSize.Area];
        SyntheticValues.Fill(SyntheticValues.HashName(PixelValues), seed, 0, new SyntheticDistribution(0, 1), pixels);
        return new VerificationInput("noise", shape, pixels, Recipe: null);
    }

    /// <summary>A picture, as a model's recipe prepares it.</summary>
    public static VerificationInput Picture(PixioModel model, Imaging.RgbImage picture, string name)
    {
        ImageSize size = model.InputSizeOf(picture);
        float[] pixels = new float[model.Config.Channels * size.Area];
        model.Preprocess(picture, pixels);
        return new VerificationInput(name, new InputShape(1, size), pixels, model.Recipe.Id);
    }

    /// <summary>The pixel values of a file with another implementation's outputs.</summary>
    /// <exception cref="ModelFormatException">The file holds none, or none that fit the model.</exception>
    public static VerificationInput FileOf(SafetensorsFile file, PixioConfig config)
    {
        if (!file.Tensors.TryGetValue(PixelValues, out TensorInfo? info))
        {
            throw new ModelFormatException(
                $"'{file.Path}' holds no {PixelValues}: save the input beside the outputs, as docs/cli.md shows.");
        }

        if (info.Shape is not [> 0 and <= int.MaxValue, long channels, > 0 and <= int.MaxValue, > 0 and <= int.MaxValue]
            || channels != config.Channels || info.ElementCount > Array.MaxLength)
        {
            throw new ModelFormatException(
                $"The {PixelValues} of '{file.Path}' are {MessageText.Shape(info.Shape)}; this model takes [B, {config.Channels}, H, W].");
        }

        InputShape shape = new((int)info.Shape[0], new ImageSize((int)info.Shape[2], (int)info.Shape[3]));
        try
        {
            config.GridFor(shape.Size);
        }
        catch (ArgumentException exception)
        {
            throw new ModelFormatException($"The {PixelValues} of '{file.Path}' do not fit the model: {exception.Message}", exception);
        }

        float[] pixels = new float[info.ElementCount];
        file.ReadFloats(info, 0, pixels);
        return new VerificationInput(file.Path, shape, pixels, Recipe: null);
    }

    /// <summary>Whether the first picture gives the same bits alone and in the middle of a batch of three.</summary>
    public bool IsBatchInvariant(PixioModel model, CancellationToken cancellationToken)
    {
        EncoderTaps taps = new() { LastHiddenState = true, PoolerOutput = true };
        int length = Pixels.Length / Shape.Batch;
        ReadOnlySpan<float> picture = Pixels.AsSpan(0, length);
        float[] batch = new float[3 * length];
        SyntheticValues.Fill(SyntheticValues.HashName("others"), 0, 0, new SyntheticDistribution(0, 1), batch);
        picture.CopyTo(batch.AsSpan(length));

        EncoderOutputs alone = model.CreateOutputs(Shape with { Batch = 1 }, taps);
        EncoderOutputs together = model.CreateOutputs(Shape with { Batch = 3 }, taps);
        model.Run(picture, alone, cancellationToken);
        model.Run(batch, together, cancellationToken);
        return HoldsBits(alone, together, index: 1);
    }

    /// <summary>Whether a batch holds, at an index, the very bits of a picture that ran alone.</summary>
    internal static bool HoldsBits(EncoderOutputs alone, EncoderOutputs batch, int index) => alone.Plan.Outputs.All(output =>
    {
        ReadOnlySpan<byte> expected = MemoryMarshal.AsBytes(alone[output.Name].Span);
        return MemoryMarshal.AsBytes(batch[output.Name].Span).Slice(index * expected.Length, expected.Length).SequenceEqual(expected);
    });
}
