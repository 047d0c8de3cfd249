using System.CommandLine;
using PixioCuda.Cli.Output;
using PixioCuda.Hub;
using PixioCuda.Imaging;
using PixioCuda.Skia;

namespace PixioCuda.Cli.Options;

/// <summary>Which model, and what it runs on: the options that every command with a model has.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string?> _model = new("--model", "-m")
    {
        Description = "A checkpoint folder, a file of weights, OWNER/NAME[@REVISION] on the hub, or random:PRESET[@SEED] for random weights.",
        HelpName = "DIR|FILE|OWNER/NAME|random:PRESET",
    };

    private readonly DeviceOptions _device;

    private readonly Option<bool> _splitBatches = OptionFactory.Flag(
        "--split-batches", "Run a batch that does not fit into a GPU's memory in parts that do.");

    private readonly Option<bool> _checkFinite = OptionFactory.Flag(
        "--check-finite", "Fail where an output is NaN or infinite, and say in which block that begins.");

    /// <param name="command">Where the options are added.</param>
    /// <param name="runs">Whether the command runs the model as a whole.</param>
    public ModelOptions(Command command, bool runs = true)
    {
        command.Add(_model);
        _device = new DeviceOptions(command);
        if (!runs)
            return;
        command.Add(_splitBatches);
        command.Add(_checkFinite);
    }

    /// <summary>What the user calls the model.</summary>
    /// <exception cref="UsageException">He did not say.</exception>
    public string Name(ParseResult parsed, string? missing = null) => parsed.GetValue(_model) is { Length: > 0 } model ? model : missing
        ?? throw new UsageException("Give a model: --model DIR for a checkpoint folder (config.json and model.safetensors), "
            + "--model FILE for weights alone, --model facebook/pixio-vith16 for one on the hub, or --model random:vitb16 to try without weights.");

    /// <summary>The library's options, as far as they are those of this class.</summary>
    public PixioModelOptions Read(ParseResult parsed) => _device.Read(parsed) with
    {
        SplitBatches = parsed.GetValue(_splitBatches),
        CheckFinite = parsed.GetValue(_checkFinite),
    };

    /// <summary>Loads a model with a progress bar, and says what it is.</summary>
    public static PixioModel Load(string name, PixioModelOptions options, Messages messages, CancellationToken cancellationToken)
    {
        string path = Find(name, messages, cancellationToken);
        PixioModel model = Reading(name, () => messages.WithProgress($"Loading {name}", report => PixioModel.Load(
            path, options, report is null ? null : new LoadReport(report), cancellationToken)));
        messages.Note($"{model.Name} on {model.Device}");
        if (model.IsRandom)
            messages.WarnOfRandomWeights(model.Name);
        return model;
    }

    /// <summary>What is known of a model before it is loaded.</summary>
    public static PixioModelInfo Describe(string name, Messages messages, CancellationToken cancellationToken)
    {
        string path = Find(name, messages, cancellationToken);
        return Reading(name, () => PixioModelInfo.Open(path));
    }

    /// <summary>Where a model is: of one on the hub the folder in the cache, downloaded with a progress bar where it is not there yet;
    /// of others the name.</summary>
    public static string Find(string name, Messages messages, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(name) || !PixioHub.IsHubModel(name))
            return name;
        return messages.WithProgress($"Downloading {name}", report =>
        {
            HubOptions options = new()
            {
                Notice = messages.Note,
                Progress = report is null ? null : new DownloadReport(report),
            };
            return PixioHub.DownloadAsync(name, options, cancellationToken).GetAwaiter().GetResult();
        });
    }

    private static T Reading<T>(string name, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The model '{name}' cannot be read: {Sentences.Of(exception)}", exception);
        }
    }

    private sealed class DownloadReport(Action<double> report) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) =>
            report(value.TotalByteCount == 0 ? 1 : (double)value.DownloadedByteCount / value.TotalByteCount);
    }

    private sealed class LoadReport(Action<double> report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report((double)value.LoadedByteCount / value.TotalByteCount);
    }
}

/// <summary>How pictures become input: the options that every command with pictures has.</summary>
internal sealed class RecipeOptions
{
    private const string Skia = "skia";
    private const string Stb = "stb";

    private readonly Option<string>? _recipe;

    private readonly Option<ImageSize?> _resize;

    private readonly Option<string> _decoder = OptionFactory.Choice(
        "--decoder", "What decodes pictures: skia gives Pillow's pixels, stb is managed code.", Skia, Skia, Stb);

    private readonly Option<long?> _maxPixels = OptionFactory.WholeNumber(
        "--max-pixels", $"The most pixels that a picture may have [default: {ImageDecodeOptions.DefaultMaxPixels}].", 1, long.MaxValue);

    /// <param name="command">Where the options are added.</param>
    /// <param name="resizeDescription">What <c>--resize</c> means there.</param>
    /// <param name="withRecipe">Whether the recipe is the user's choice.</param>
    public RecipeOptions(Command command, string resizeDescription, bool withRecipe = true)
    {
        _resize = OptionFactory.Size("--resize", resizeDescription);
        if (withRecipe)
        {
            _recipe = OptionFactory.Choice(
                "--recipe",
                "How pictures are resized: hf as preprocessor_config.json says, meta-knn as the original k-NN evaluation does it.",
                ImageRecipe.HfName, ImageRecipe.HfName, ImageRecipe.MetaKnnName);
            command.Add(_recipe);
        }

        command.Add(_resize);
        command.Add(_decoder);
        command.Add(_maxPixels);
    }

    public ImageSize? Resize(ParseResult parsed) => parsed.GetValue(_resize);

    public PixioModelOptions Read(ParseResult parsed, PixioModelOptions options) => options with
    {
        Recipe = _recipe is null ? ImageRecipe.HfName : parsed.GetValue(_recipe)!,
        Resize = Resize(parsed),
        Decoder = parsed.GetValue(_decoder) == Stb ? new StbImageDecoder() : new SkiaImageDecoder(),
        DecodeOptions = new ImageDecodeOptions { MaxPixels = parsed.GetValue(_maxPixels) ?? ImageDecodeOptions.DefaultMaxPixels },
    };
}
