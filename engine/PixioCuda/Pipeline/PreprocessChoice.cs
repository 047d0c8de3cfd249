using System.Globalization;

namespace PixioCuda.Pipeline;

/// <summary>Where the pictures of a pipeline are resized and normalised.</summary>
/// <param name="IsOnGpu">On the model's GPU, or on the CPU.</param>
/// <param name="Reason">Why: "as asked", or a clause with because.</param>
internal sealed record PreprocessChoice(bool IsOnGpu, string Reason)
{
    private const long Megabyte = 1_000_000;

    /// <summary>"on the GPU, as asked".</summary>
    public override string ToString() => $"on the {(IsOnGpu ? "GPU" : "CPU")}, {Reason}";

    /// <summary>Refuses a GPU where the model is on none.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public static void ThrowIfImpossible(PixioModel model, PicturePipelineOptions options)
    {
        if (options.PreprocessOn == PreprocessOn.Gpu && model.CudaDevice is null)
        {
            throw new ArgumentException(
                $"A GPU preprocesses pictures only where the model is on it, and this one is on {model.Device}. "
                + "Load it with the device 'cuda', or leave the choice to 'auto'.");
        }
    }

    /// <summary>Chooses for a model that is ready.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">What is wanted.</param>
    /// <param name="taps">What is computed.</param>
    /// <param name="concurrentBatches">Batches on the device at a time.</param>
    /// <param name="allBatches">Batches in all.</param>
    /// <exception cref="ArgumentException">A GPU is wanted, and the model is on none.</exception>
    /// <exception cref="PixioException">The driver does not say what is free.</exception>
    public static PreprocessChoice Of(
        PixioModel model, PicturePipelineOptions options, EncoderTaps taps, int concurrentBatches, int allBatches)
    {
        if (options.PreprocessOn == PreprocessOn.Cpu)
            return new PreprocessChoice(false, "as asked");
        ThrowIfImpossible(model, options);
        if (options.PreprocessOn == PreprocessOn.Gpu)
            return new PreprocessChoice(true, "as asked");
        if (model.FreeDeviceByteCount is not { } free)
            return new PreprocessChoice(false, "because the model is there");

        ImageSize size = model.Recipe.Geometry.FixedSize ?? model.Config.ImageSize;
        InputShape shape = new(options.BatchSize, size);
        long pixels = sizeof(float) * 3L * size.Area * options.BatchSize;
        long needed = options.DeviceByteLimit + (allBatches * pixels) + (concurrentBatches * model.RunByteCount(shape, taps));
        return needed <= free
            ? new PreprocessChoice(true, "because the model is there and has memory to spare")
            : new PreprocessChoice(false, string.Create(CultureInfo.InvariantCulture,
                $"because the GPU has {free / Megabyte} MB free, of the {needed / Megabyte} that the encoder and preprocessing may take"));
    }
}
