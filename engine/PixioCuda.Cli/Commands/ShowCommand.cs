using System.CommandLine;
using System.Globalization;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Cli.Show;
using PixioCuda.Imaging;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio show</c>: pictures beside what their features show.</summary>
internal sealed class ShowCommand
{
    // Enough patches to see shapes by; the position embeddings are resized to them. Long pictures are bounded by their longer side.
    private const int ShorterSide = 448;
    private const int LongestSide = 1344;
    private const string Smooth = "bilinear";
    private const string Squares = "nearest";

    private const string Pca = "pca";
    private const string Attention = "attention";
    private const string Similarity = "similarity";

    // Their features are in memory together.
    private const int MostPictures = 32;
    private const int MostColumns = 3;

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "show", "Draws pictures beside their features: principal components, what class tokens look at, or what is like a patch.")
    {
        Examples =
        [
            ("pixio show cat.png --model ~/pixio-vith16 --output features.png", "the last stage"),
            ("pixio show cat.png --model DIR --stage 8 --resize 256x256 --upsample nearest --output stage8.png",
                "an earlier stage, patch by patch"),
            ("pixio show a.jpg b.jpg c.jpg --model DIR --output set.png", "several pictures in the colours of one basis"),
            ("pixio show cat.png --model DIR --view attention --output attention.png", "what each class token looks at in the last block"),
            ("pixio show a.jpg b.jpg --model DIR --view similarity --patch 12,9 --output alike.png", "what is like one patch of a.jpg"),
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
    private readonly Option<string> _view = OptionFactory.Choice("--view", "What is shown.", Pca, Pca, Attention, Similarity);
    private readonly Option<long?> _layer = OptionFactory.WholeNumber(
        "--layer", "Of attention: the block, from 0 on [default: the last].", 0, 1023);
    private readonly Option<int[]> _patch = OptionFactory.Numbers(
        "--patch", "Of similarity: row and column of a patch of the first picture, from 0,0 on [default: the middle one].", "12,9");

    private readonly Option<string> _upsample = OptionFactory.Choice("--upsample", "How patches become pixels.", Smooth, Smooth, Squares);
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print what was drawn as one JSON document.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private ShowCommand(CommandConsole console)
    {
        _console = console;
        _pictures = new PictureOptions(_command, several: true);
        _command.Add(_output);
        _model = new ModelOptions(_command);
        _command.Add(_view);
        _command.Add(_stage);
        _command.Add(_layer);
        _command.Add(_patch);
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
        string[] names = _pictures.Names(parsed);
        string modelName = _model.Name(parsed), output = parsed.GetValue(_output)!, view = parsed.GetValue(_view)!;
        CheckView(parsed, names, view);
        OutputFile.CheckPath(output, ".png");
        PixioModelOptions options = _recipe.Read(parsed, _model.Read(parsed));

        // The pictures decide the sizes, and both are checked before gigabytes are read.
        PictureReader reader = _pictures.Reader(parsed, _console);
        RgbImage[] images = [.. names.Select(name => options.Decoder!.Decode(
            reader.ReadAsync(name, cancellationToken).GetAwaiter().GetResult().Span, PictureReader.Describe(name), options.DecodeOptions))];
        // Found once, so that both looks are at the same revision.
        string modelPath = ModelOptions.Find(modelName, messages, cancellationToken);
        PixioModelInfo info = ModelOptions.Describe(modelPath, messages, cancellationToken);
        ShownPicture[] pictures = [.. names.Zip(images, (name, image) =>
            new ShownPicture(name, image, options.Resize ?? SizeFor(image, info.Config.PatchSize)))];
        int stage = (int)(parsed.GetValue(_stage) ?? info.Config.HiddenLayers);
        int layer = (int)(parsed.GetValue(_layer) ?? info.Config.HiddenLayers - 1);
        EncoderTaps taps = view == Attention
            ? new() { Attentions = [new AttentionTap(layer)] }
            : new() { FeatureMaps = [new FeatureMapTap(stage, ApplyLayerNorm: true, Reshape: false)] };
        foreach (ImageSize size in pictures.Select(picture => picture.Size).Distinct())
            info.EstimateMemory(new InputShape(1, size), taps);

        using PixioModel model = ModelOptions.Load(modelPath, options with { Resize = pictures[0].Size }, messages, cancellationToken);
        RunStamp stamp = new RunStamp(modelName, model).With("view", view);
        stamp = view == Attention
            ? stamp.With("layer", layer.ToString(CultureInfo.InvariantCulture))
            : stamp.With("stage", stage == 0 ? "stem" : $"stage{stage}");
        bool smooth = parsed.GetValue(_upsample) == Smooth;
        if (view == Pca && pictures.Length == 1)
        {
            Draw(model, images[0], model.Run([images[0]], taps, cancellationToken), pictures[0].Size, smooth, $"stage {stage}", output);
        }
        else
        {
            PictureViews views = new(model, pictures, smooth, cancellationToken);
            string weights = model.IsRandom ? $"{ShortName(model.Name)} (random weights)" : ShortName(model.Name);
            (IReadOnlyList<Tile> tiles, string what) = view switch
            {
                Attention => (views.Attention(layer), $"attention of class tokens, block {layer}"),
                Similarity => (views.Similarity(stage, Patch(parsed, model, pictures[0])), $"cosine with the framed patch, stage {stage}"),
                _ => (views.PrincipalComponents(stage), $"PCA of patch features, stage {stage}, one basis"),
            };
            int columns = view == Attention ? Math.Min(MostColumns, 1 + model.Config.ClassTokens) : 2;
            if (view == Attention && pictures.Length > 1)
                columns = 1 + model.Config.ClassTokens;
            PngFile.Write(Montage.Compose(tiles, columns, [$"{weights}  {model.Recipe.Name}", what]), output);
        }

        Print(names, output, stamp, model, pictures[0].Size, parsed.GetValue(_json));
        return ExitCodes.Ok;
    }

    private void CheckView(ParseResult parsed, string[] names, string view)
    {
        if (names.Length > MostPictures)
            throw new UsageException($"At most {MostPictures} pictures can be shown together, not {names.Length}.");
        if (view != Attention && parsed.GetValue(_layer) is not null)
            throw new UsageException("--layer belongs to --view attention; of the other views it is --stage.");
        if (view == Attention && parsed.GetValue(_stage) is not null)
            throw new UsageException("--view attention is that of a block: give --layer instead of --stage.");
        if (parsed.GetValue(_patch) is { Length: > 0 } patch)
        {
            if (view != Similarity)
                throw new UsageException("--patch belongs to --view similarity.");
            if (patch.Length != 2 || patch[0] < 0 || patch[1] < 0)
                throw new UsageException("--patch takes a row and a column, such as 12,9.");
        }
    }

    private (int Row, int Column) Patch(ParseResult parsed, PixioModel model, ShownPicture picture)
    {
        ImageSize grid = model.Config.GridFor(picture.Size);
        return parsed.GetValue(_patch) is { Length: 2 } patch ? (patch[0], patch[1]) : (grid.Height / 2, grid.Width / 2);
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

    private void Print(string[] pictures, string output, RunStamp stamp, PixioModel model, ImageSize size, bool asJson)
    {
        ImageSize grid = model.Config.GridFor(size);
        _console.Out.WriteLine(!asJson ? $"{output}: {string.Join(", ", pictures)} beside {(pictures.Length == 1 ? $"its features, {grid} patches" : "their features")}" : JsonText.Of(json =>
        {
            json.WriteStartObject();
            json.WriteString("output", output);
            if (pictures.Length == 1)
            {
                json.WriteString("image", pictures[0]);
            }
            else
            {
                json.WritePropertyName("images");
                JsonText.WriteStrings(json, pictures);
            }

            stamp.Write(json);
            json.WritePropertyName("patches");
            JsonText.WriteShape(json, [grid.Height, grid.Width]);
            json.WriteEndObject();
        }));
    }
}
