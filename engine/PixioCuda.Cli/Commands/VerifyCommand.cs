using System.CommandLine;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Imaging;
using PixioCuda.Verification;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio verify</c>: shows that a model is right, or where it is not.</summary>
internal sealed class VerifyCommand
{
    // The model and the picture that transformers publishes values for.
    private const string PublishedModel = "facebook/pixio-vith16";
    private const string PublishedPicture = "000000039769";
    private const string PublishedAddress = "http://images.cocodataset.org/val2017/000000039769.jpg";

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "verify", "Checks files, weights and every layer: that the device computes what other kernels, or PyTorch, do.")
    {
        Examples =
        [
            ("pixio verify random:vitb16", "every layer of random weights, on noise"),
            ("pixio verify facebook/pixio-vith16", "the published weights, and the published values where their picture can be fetched"),
            ("pixio verify DIR --image photo.jpg --tensors", "on a picture, with the statistics of every tensor"),
            ("pixio verify DIR --against reference.safetensors", "against outputs that were saved from PyTorch"),
            ("pixio verify DIR --against half.safetensors --tolerance 0.02 --json", "a reference in half precision, for scripts"),
        ],
    };

    private readonly Argument<string> _model = new("MODEL")
    {
        Description = "A checkpoint folder, OWNER/NAME[@REVISION] on the hub, or random:PRESET[@SEED].",
    };

    private readonly Option<string?> _image = new("--image")
    {
        Description = "The picture to run on: a path, - or an http(s) address [default: noise].",
        HelpName = "IMAGE",
    };

    private readonly Option<string?> _against = new("--against")
    {
        Description = "A .safetensors file with pixel_values and the outputs that PyTorch computed from them.",
        HelpName = "FILE",
    };

    private readonly Option<double?> _tolerance = OptionFactory.Positive(
        "--tolerance", "The largest relative L2 error against the file [default: what float32 rounding explains].");

    private readonly Option<bool> _published = OptionFactory.Flag(
        "--published", $"Hold a local copy of {PublishedModel} and --image against the values published for COCO's {PublishedPicture}.");

    private readonly Option<bool> _tensors = OptionFactory.Flag("--tensors", "Also print the statistics of every tensor.");
    private readonly DeviceOptions _device;
    private readonly RecipeOptions _recipe;
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print one JSON document.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private VerifyCommand(CommandConsole console)
    {
        _console = console;
        _command.Add(_model);
        _command.Add(_image);
        _command.Add(_against);
        _command.Add(_tolerance);
        _command.Add(_published);
        _command.Add(_tensors);
        _device = new DeviceOptions(_command);
        _recipe = new RecipeOptions(_command, "Resize the picture to this instead, sides multiples of the patch size.");
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        VerifyCommand verify = new(console);
        verify._command.SetAction(parsed => verify.Run(parsed, cancellationToken));
        return verify._command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        string name = parsed.GetValue(_model)!;
        string? image = parsed.GetValue(_image), against = parsed.GetValue(_against);
        if (image is not null && against is not null)
            throw new UsageException("Give --image or --against, not both: the file holds its own pixel values.");
        if (parsed.GetValue(_tolerance) is not null && against is null)
            throw new UsageException("--tolerance is for --against FILE.");
        if (parsed.GetValue(_published) && image is null)
            throw new UsageException($"--published needs --image: COCO's {PublishedPicture}, from {PublishedAddress}.");
        PixioModelOptions options = _recipe.Read(parsed, _device.Read(parsed));

        string path = ModelOptions.Find(name, messages, cancellationToken);
        bool isPublishedModel = path != name && name.Split('@')[0] == PublishedModel;
        (RgbImage? picture, string? pictureName) =
            ReadPicture(image, isPublishedModel && against is null, options, messages, cancellationToken);
        // Files that cannot be read show here; what fails later is another matter.
        ModelOptions.Describe(path, messages, cancellationToken);
        VerificationReport report = messages.WithProgress(
            $"Verifying {name}",
            progress => ModelVerifier.Verify(path, new VerificationOptions
            {
                Model = options,
                Picture = picture,
                PictureName = pictureName,
                Against = against,
                Tolerance = parsed.GetValue(_tolerance),
                HoldsPublishedValues = picture is not null && (parsed.GetValue(_published)
                    || (isPublishedModel && Path.GetFileNameWithoutExtension(pictureName) == PublishedPicture)),
            }, progress is null ? null : new StepReport(progress), cancellationToken));
        if (report.IsRandom)
            messages.WarnOfRandomWeights(report.Weights);
        VerificationText text = new(name, report);
        if (parsed.GetValue(_json))
            _console.Out.WriteLine(JsonText.Of(text.Write));
        else
            text.Print(_console, parsed.GetValue(_tensors));
        return report.Findings.Count == 0 ? ExitCodes.Ok : ExitCodes.NotRight;
    }

    /// <summary>The picture that is given; else, for the published weights, the one whose values are published, where it can be
    /// fetched.</summary>
    private (RgbImage? Picture, string? Name) ReadPicture(
        string? image, bool wantsPublished, PixioModelOptions options, Messages messages, CancellationToken cancellationToken)
    {
        if (image is null && !wantsPublished)
            return (null, null);
        string name = image ?? PublishedAddress;
        try
        {
            PictureReader reader = new(_console.OpenInput, new DownloadLimits(64_000_000, TimeSpan.FromSeconds(30)));
            ReadOnlyMemory<byte> encoded = reader.ReadAsync(name, cancellationToken).GetAwaiter().GetResult();
            string description = PictureReader.Describe(name);
            return (options.Decoder!.Decode(encoded.Span, description, options.DecodeOptions), description);
        }
        catch (Exception exception) when (image is null && exception is InputException or ImageFormatException)
        {
            messages.Note($"The published values are not compared: {Sentences.Of(exception)} --image takes a copy of the picture.");
            return (null, null);
        }
    }

    private sealed class StepReport(Action<double> report) : IProgress<VerificationProgress>
    {
        public void Report(VerificationProgress value) => report(value.Share);
    }
}
