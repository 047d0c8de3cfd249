using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PixioCuda.Cpu;
using PixioCuda.Cuda;
using PixioCuda.Diagnostics;
using PixioCuda.Graph;
using PixioCuda.Imaging;
using PixioCuda.Weights;

namespace PixioCuda;

public sealed partial class PixioModel
{
    private readonly ModelTelemetry _telemetry;
    private readonly ILogger _logger;

    private PixioModel(
        OpenedModel opened, IEncoderBackend backend, ImageRecipe recipe, PixioModelOptions options, DeviceChoice device, ILogger logger)
    {
        _logger = logger;
        _telemetry = new ModelTelemetry(opened.Source.Description, device.CudaId ?? "cpu");
        _backend = backend;
        Config = opened.Config;
        Name = opened.Source.Description;
        IsRandom = opened.Source.IsRandom;
        _options = options;
        _processor = new Lazy<ImageProcessor>(() => new ImageProcessor(recipe, opened.Config.Channels));
        Recipe = recipe;
        Precision = device.Precision;
        Device = device.Reason is string reason ? $"{backend.Description}, because {reason}" : backend.Description;
    }

    /// <summary>Loads a model.</summary>
    /// <param name="model">A checkpoint folder (<c>config.json</c>, <c>model.safetensors</c> or <c>model.safetensors.index.json</c> with its
    /// shards, and optionally <c>preprocessor_config.json</c>); a file of weights, safetensors or PyTorch's, whose config lies beside it
    /// or is the preset of its shapes; <c>owner/name[@revision]</c> for a model on the Hugging Face hub, which is downloaded unless it is in
    /// the cache; or <c>random:PRESET[@SEED]</c> for weights made from a seed.</param>
    /// <param name="options">Device, threads, decoder; null for the defaults.</param>
    /// <param name="progress">Told about every 16 MB, on the threads that load.</param>
    /// <param name="cancellationToken">Stops the loading; everything taken is freed.</param>
    /// <exception cref="ModelFormatException">There is no such model, its config or weights cannot be used, or a file ends too early or
    /// was written to while it was read.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="PixioException">The device has too little memory, or fails.</exception>
    /// <exception cref="Hub.HubException">The model is on the hub and cannot be had.</exception>
    /// <exception cref="ArgumentException">An option is not valid.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static PixioModel Load(
        string model, PixioModelOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new PixioModelOptions();
        DeviceChoice device = DeviceChoice.Of(options);
        using OpenedModel opened = ModelReference.Open(model, options.Hub, cancellationToken);
        return Load(opened, options, device, progress, cancellationToken);
    }

    internal static PixioModel Load(OpenedModel opened, PixioModelOptions options, CancellationToken cancellationToken = default)
        => Load(opened, options, DeviceChoice.Of(options), progress: null, cancellationToken);

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
        OpenedModel opened, PixioModelOptions options, DeviceChoice device, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        // What can be wrong with the options is found before gigabytes are read.
        options.Batching.ThrowIfInvalid();
        ImageRecipe recipe = RecipeOf(opened, options);
        ILogger logger = options.LoggerFactory?.CreateLogger(Log.Category) ?? NullLogger.Instance;
        Log.Loading(logger, opened.Source.Description, device.CudaId ?? "cpu", device.Precision);
        long start = Stopwatch.GetTimestamp();
        EncoderWeights weights = EncoderWeights.Bind(opened.Source, opened.Config);
        IEncoderBackend backend = device.CudaId is string id
            ? CudaBackend.Load(
                id, weights, opened.Config, recipe.Scale, device.Precision, options.Gemm, options.Fast, options.CudaSessions,
                options.WeightRingByteCount, progress, cancellationToken)
            : CpuBackend.Load(weights, opened.Config, recipe.Scale, options.WeightsInMemory ?? DType.F32, device.Cpu!, progress, cancellationToken);
        try
        {
            opened.Source.ThrowIfChanged();
            PixioModel model = new(opened, backend, recipe, options, device, logger);
            Log.Loaded(logger, model.Name, model.Device, Stopwatch.GetElapsedTime(start).TotalSeconds, model.WeightByteCount);
            if (model.IsRandom)
                Log.RandomWeights(logger, model.Name);
            return model;
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }
}
