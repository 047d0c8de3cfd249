using PixioCuda.Cpu;
using PixioCuda.Graph;
using PixioCuda.Imaging;
using PixioCuda.Interop;
using PixioCuda.Weights;

namespace PixioCuda;

public sealed partial class PixioModel
{
    private const string CpuDevice = "cpu";

    private PixioModel(OpenedModel opened, IEncoderBackend backend, ImageRecipe recipe, PixioModelOptions options)
    {
        _backend = backend;
        Config = opened.Config;
        Name = opened.Source.Description;
        IsRandom = opened.Source.IsRandom;
        _options = options;
        _processor = new Lazy<ImageProcessor>(() => new ImageProcessor(recipe, opened.Config.Channels));
        Recipe = recipe;
        Device = options.Device == CpuDevice ? backend.Description : $"{backend.Description}, because {WhyNotCuda()}";
    }

    /// <summary>Loads a model.</summary>
    /// <param name="model">A checkpoint folder (<c>config.json</c>, <c>model.safetensors</c> or <c>model.safetensors.index.json</c> with its
    /// shards, and optionally <c>preprocessor_config.json</c>); a file of weights, safetensors or PyTorch's, whose config lies beside it
    /// or is the preset of its shapes; <c>owner/name[@revision]</c> for a model on the Hugging Face hub, which is downloaded unless it is in
    /// the cache; or <c>random:PRESET[@SEED]</c> for weights made from a seed.</param>
    /// <param name="options">Device, threads, decoder; null for the defaults.</param>
    /// <param name="progress">Told about every 16 MB, on the threads that load.</param>
    /// <param name="cancellationToken">Stops the loading; everything taken is freed.</param>
    /// <exception cref="ModelFormatException">There is no such model, or its config or weights cannot be used.</exception>
    /// <exception cref="Hub.HubException">The model is on the hub and cannot be had.</exception>
    /// <exception cref="ArgumentException">An option is not valid.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static PixioModel Load(
        string model, PixioModelOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new PixioModelOptions();
        CpuTarget target = TargetOf(options);
        using OpenedModel opened = ModelReference.Open(model, options.Hub, cancellationToken);
        return Load(opened, options, target, progress, cancellationToken);
    }

    internal static PixioModel Load(OpenedModel opened, PixioModelOptions options)
        => Load(opened, options, TargetOf(options), progress: null, CancellationToken.None);

    internal static CpuTarget TargetOf(PixioModelOptions options)
    {
        if (options.Device is not ("auto" or CpuDevice))
            throw new ArgumentException($"There is no device '{options.Device}' in this build: use 'cpu', or 'auto' to leave the choice to the library.", nameof(options));
        int threads = options.Threads ?? Environment.ProcessorCount;
        if (threads is < 1 or > 1024)
            throw new ArgumentException($"{threads} threads cannot be used: give a number from 1 to 1024.", nameof(options));
        return new CpuTarget(options.VectorBits ?? CpuTarget.WidestVectorBits, threads);
    }

    private static string WhyNotCuda()
    {
        CudaDriverStatus driver = CudaDriver.Probe();
        return driver.DeviceCount == 0 ? driver.Finding : $"this version has no CUDA backend yet ({driver.Finding})";
    }

    private static ImageRecipe RecipeOf(OpenedModel opened, PixioModelOptions options)
    {
        ImageSize size = opened.Config.ImageSize;
        ImageRecipe recipe = options.Recipe switch
        {
            ImageRecipe.HfName when opened.ProcessorConfigPath is string path => ImageRecipe.Parse(PreprocessorConfig.ReadFile(path), path),
            ImageRecipe.HfName => ImageRecipe.Hf(size.Height, size.Width),
            ImageRecipe.MetaKnnName when size.Height == size.Width => ImageRecipe.MetaKnn(size.Height),
            ImageRecipe.MetaKnnName => throw new ArgumentException(
                $"The recipe {ImageRecipe.MetaKnnName} crops squares, and this model's pictures are {size}; use the recipe {ImageRecipe.HfName}.", nameof(options)),
            _ => throw new ArgumentException(
                $"There is no recipe '{options.Recipe}'. The recipes are {ImageRecipe.HfName} and {ImageRecipe.MetaKnnName}.", nameof(options)),
        };
        if (options.Resize is not ImageSize resize)
            return recipe;
        opened.Config.GridFor(resize);
        return recipe.WithSize(resize.Height, resize.Width);
    }

    private static PixioModel Load(
        OpenedModel opened, PixioModelOptions options, CpuTarget target, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        // What can be wrong with the options is found before gigabytes are read.
        ImageRecipe recipe = RecipeOf(opened, options);
        EncoderWeights weights = EncoderWeights.Bind(opened.Source, opened.Config);
        CpuBackend backend = CpuBackend.Load(weights, opened.Config, target, progress, cancellationToken);
        return new PixioModel(opened, backend, recipe, options);
    }
}
