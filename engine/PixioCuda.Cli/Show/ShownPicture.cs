using PixioCuda.Cli.Output;
using PixioCuda.Imaging;

namespace PixioCuda.Cli.Show;

/// <summary>A picture that is to be shown, and the size in which the model sees it.</summary>
/// <param name="Name">What the user calls it.</param>
/// <param name="Image">Decoded.</param>
/// <param name="Size">Whole patches.</param>
internal sealed record ShownPicture(string Name, RgbImage Image, ImageSize Size)
{
    /// <summary>The picture as the model sees it.</summary>
    public RgbImage Resized(PixioModel model)
    {
        byte[] rgb = new byte[3 * Size.Area];
        ProcessorFor(model).Resize(Image, rgb);
        return new RgbImage(Size.Width, Size.Height, rgb);
    }

    /// <summary>Runs the encoder.</summary>
    /// <exception cref="FailedException">What comes out is not finite.</exception>
    public EncoderOutputs Run(PixioModel model, EncoderTaps taps, CancellationToken cancellationToken)
    {
        float[] pixels = new float[3 * Size.Area];
        ProcessorFor(model).Process(Image, pixels);
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, Size), taps);
        model.Run(pixels, outputs, cancellationToken);
        return Vectors.AreFinite(outputs.Values)
            ? outputs
            : throw new FailedException("The features hold numbers that are not finite: the weights of this model are damaged.");
    }

    private ImageProcessor ProcessorFor(PixioModel model) => new(model.Recipe.WithSize(Size.Height, Size.Width), model.Config.Channels);
}
