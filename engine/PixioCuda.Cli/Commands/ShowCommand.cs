using System.CommandLine;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Cli.Show;
using PixioCuda.Imaging;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio show</c>: a picture beside its patch features as colours.</summary>
internal sealed class ShowCommand
{
    // Enough patches to see shapes by; the position embeddings are resized to them. Long pictures are bounded by their longer side.
    private const int ShorterSide = 448;
    private const int LongestSide = 1344;
    private const string Smooth = "bilinear";
    private const string Squares = "nearest";

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "show", "Draws a picture beside its patch features: their first three principal components as red, green and blue.")
    {
        Examples =
        [
            ("pixio show cat.png --model ~/pixio-vith16 --output features.png", "the last stage"),
            ("pixio show cat.png --model DIR --stage 8 --resize 256x256 --upsample nearest --output stage8.png",
                "an earlier stage, patch by patch"),
        ],
    };

    private readonly PictureOptions _pictures;
    private readonly ModelOptions _model;
    private readonly RecipeOptions _recipe;
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "The .png file to write.",
        HelpName = "FILE",
        Required = true,
    };

    private readonly Option<long?> _stage = OptionFactory.WholeNumber(
        "--stage", "The stage: 0 is the stem, k what leaves block k [default: the last].", 0, 1024);
    private readonly Option<string> _upsample = OptionFactory.Choice("--upsample", "How patches become pixels.", Smooth, Smooth, Squares);
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print what was drawn as one JSON document.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private ShowCommand(CommandConsole console)
    {
        _console = console;
        _pictures = new PictureOptions(_command, several: false);
        _command.Add(_output);
        _model = new ModelOptions(_command);
        _command.Add(_stage);
        _command.Add(_upsample);
        _recipe = new RecipeOptions(
            _command,
            $"The size that the model sees, sides multiples of the patch size [default: shorter side {ShorterSide}, in proportion].",
            withRecipe: false);
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        ShowCommand show = new(console);
        show._command.SetAction(parsed => show.Run(parsed, cancellationToken));
        return show._command;
    }

    /// <summary>The size that a picture is shown in: its proportions, in whole patches.</summary>
    internal static ImageSize SizeFor(RgbImage image, ImageSize patch)
    {
        double scale = Math.Min(
            (double)ShorterSide / Math.Min(image.Height, image.Width), (double)LongestSide / Math.Max(image.Height, image.Width));
        return new ImageSize(WholePatches(image.Height * scale, patch.Height), WholePatches(image.Width * scale, patch.Width));

        static int WholePatches(double side, int patch) => Math.Max((int)Math.Round(side / patch), 1) * patch;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        string picture = _pictures.Names(parsed)[0], modelName = _model.Name(parsed), output = parsed.GetValue(_output)!;
        OutputFile.CheckPath(output, ".png");
        PixioModelOptions options = _recipe.Read(parsed, _model.Read(parsed));

        // The picture decides the size, and both are checked before gigabytes are read.
        ReadOnlyMemory<byte> encoded = _pictures.Reader(parsed, _console).ReadAsync(picture, cancellationToken).GetAwaiter().GetResult();
        RgbImage image = options.Decoder!.Decode(encoded.Span, PictureReader.Describe(picture), options.DecodeOptions);
        // Found once, so that both looks are at the same revision.
        string modelPath = ModelOptions.Find(modelName, messages, cancellationToken);
        PixioModelInfo info = ModelOptions.Describe(modelPath, messages, cancellationToken);
        ImageSize size = options.Resize ?? SizeFor(image, info.Config.PatchSize);
        int stage = (int)(parsed.GetValue(_stage) ?? info.Config.HiddenLayers);
        EncoderTaps taps = new() { FeatureMaps = [new FeatureMapTap(stage, ApplyLayerNorm: true, Reshape: false)] };
        info.EstimateMemory(new InputShape(1, size), taps);

        using PixioModel model = ModelOptions.Load(modelPath, options with { Resize = size }, messages, cancellationToken);
        EncoderOutputs outputs = model.Run([image], taps, cancellationToken);
        RunStamp stamp = new RunStamp(modelName, model).With("stage", stage == 0 ? "stem" : $"stage{stage}");
        Draw(model, image, outputs, size, parsed.GetValue(_upsample) == Smooth, $"stage {stage}", output);
        Print(picture, output, stamp, model, size, parsed.GetValue(_json));
        return ExitCodes.Ok;
    }

    private static void Draw(
        PixioModel model, RgbImage image, EncoderOutputs outputs, ImageSize size, bool smooth, string stage, string output)
    {
        PixioConfig config = model.Config;
        ReadOnlySpan<float> patches = outputs.Values[(config.ClassTokens * config.HiddenSize)..];
        if (!Vectors.AreFinite(patches))
            throw new FailedException("The features hold numbers that are not finite: the weights of this model are damaged.");
        RgbImage features = FeaturePicture.Enlarge(FeaturePicture.Colours(patches, config.HiddenSize), config.GridFor(size), size, smooth);

        byte[] resized = new byte[features.Pixels.Length];
        new ImageProcessor(model.Recipe).Resize(image, resized);
        string weights = model.IsRandom ? $"{ShortName(model.Name)} (random weights)" : ShortName(model.Name);
        RgbImage both = SideBySide.Compose(
            new RgbImage(size.Width, size.Height, resized), features, [weights, stage, model.Recipe.Id, "PCA of patch features"]);
        PngFile.Write(both, output);
    }

    /// <summary>The folder of a checkpoint, which is what people call it by; "random:vitb16@0" stays.</summary>
    private static string ShortName(string name) =>
        Path.GetDirectoryName(name) is { Length: > 0 } folder ? Path.GetFileName(folder) : name;

    private void Print(string picture, string output, RunStamp stamp, PixioModel model, ImageSize size, bool asJson)
    {
        ImageSize grid = model.Config.GridFor(size);
        _console.Out.WriteLine(!asJson ? $"{output}: {picture} beside its features, {grid} patches" : JsonText.Of(json =>
        {
            json.WriteStartObject();
            json.WriteString("output", output);
            json.WriteString("image", picture);
            stamp.Write(json);
            json.WritePropertyName("patches");
            JsonText.WriteShape(json, [grid.Height, grid.Width]);
            json.WriteEndObject();
        }));
    }
}
