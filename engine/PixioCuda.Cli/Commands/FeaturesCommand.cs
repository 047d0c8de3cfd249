using System.CommandLine;
using System.Globalization;
using System.Runtime.ExceptionServices;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Pipeline;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio features</c>: a picture in, feature maps of chosen stages out, as transformers'
/// <c>PixioBackbone</c> gives them.</summary>
internal sealed class FeaturesCommand
{
    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "features", "Writes feature maps of chosen stages, for dense tasks such as depth or segmentation.")
    {
        Examples =
        [
            ("pixio features street.jpg --model ~/pixio-vith16 --out-features stage8,stage16,stage24,stage32 --output maps.safetensors",
                "what the original depth and segmentation heads take (their blocks 7, 15, 23, 31)"),
            ("pixio features street.jpg --model DIR --resize 512x1024 --no-layernorm --output maps.safetensors",
                "the last stage of a larger picture, un-normed"),
            ("pixio features a.jpg b.jpg --model DIR --out-indices 0,-1 --no-reshape --output tokens.safetensors",
                "tokens [N, n + P, d] of the stem and the last stage"),
        ],
    };

    private readonly PictureOptions _pictures;
    private readonly ModelOptions _model;
    private readonly RecipeOptions _recipe;
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "The .safetensors file to write: one tensor feature_maps.STAGE [N, d, H/p, W/p] for each stage.",
        HelpName = "FILE",
        Required = true,
    };

    private readonly Option<string[]> _outFeatures = OptionFactory.Words(
        "--out-features", "Stages by name, ascending: stem, stage1 and so on [default: what the model's config says].", "stage8,stage16");

    private readonly Option<int[]> _outIndices = OptionFactory.Numbers(
        "--out-indices", "Stages by number instead: 0 is the stem, k what leaves block k, -1 the last.", "8,16,-1");

    private readonly Option<bool> _noLayerNorm = OptionFactory.Flag("--no-layernorm", "Leave out the final LayerNorm.");
    private readonly Option<bool> _noReshape = OptionFactory.Flag("--no-reshape", "Keep the tokens [N, n + P, d], class tokens first.");
    private readonly PreprocessOption _preprocess;
    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print what was written as one JSON document.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private FeaturesCommand(CommandConsole console)
    {
        _console = console;
        _pictures = new PictureOptions(_command, several: true);
        _command.Add(_output);
        _model = new ModelOptions(_command);
        _command.Add(_outFeatures);
        _command.Add(_outIndices);
        _command.Add(_noLayerNorm);
        _command.Add(_noReshape);
        _recipe = new RecipeOptions(_command, "Resize pictures to this instead, sides multiples of the patch size.");
        _preprocess = new PreprocessOption(_command);
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        FeaturesCommand features = new(console);
        features._command.SetAction(parsed => features.Run(parsed, cancellationToken));
        return features._command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        string[] pictures = _pictures.Names(parsed);
        string modelName = _model.Name(parsed);
        string output = parsed.GetValue(_output)!;
        OutputFile.CheckPath(output, ".safetensors");
        BackboneOptions backboneOptions = new()
        {
            OutFeatures = parsed.GetValue(_outFeatures) is { Length: > 0 } names ? names : null,
            OutIndices = parsed.GetValue(_outIndices) is { Length: > 0 } indices ? indices : null,
            ApplyLayerNorm = parsed.GetValue(_noLayerNorm) ? false : null,
            ReshapeHiddenStates = parsed.GetValue(_noReshape) ? false : null,
        };
        if (backboneOptions is { OutFeatures: not null, OutIndices: not null })
            throw new UsageException("Give the stages by --out-features or by --out-indices, not by both.");
        PixioModelOptions options = _recipe.Read(parsed, _model.Read(parsed));

        // One at a time: maps are large, and a stage of several pictures is written as it comes.
        PicturePipelineOptions pipelineOptions = new()
        {
            Taps = new EncoderTaps(),
            PicturesAhead = 2,
            PreprocessOn = _preprocess.Read(parsed),
        };
        TaskCompletionSource<PixioModel> loading = new(TaskCreationOptions.RunContinuationsAsynchronously);
        PictureWords words = new(_pictures.Reader(parsed, _console));
        using PicturePipeline pipeline = PicturePipeline.Start(
            pictures.Select(words.Entry), loading.Task, options, pipelineOptions,
            tapsFor: model => new PixioBackbone(model, backboneOptions).Taps, cancellationToken);
        using LoadedModel loaded = LoadedModel.Beside(
            pipeline, modelName, options, messages, withHash: true, failFast: true, cancellationToken);
        using PicturePipeline running = pipeline;
        PixioModel model = loaded.Model;
        using PixioBackbone backbone = new(model, backboneOptions);
        loading.SetResult(model);
        RunStamp stamp = new RunStamp(modelName, model)
            .With("model_sha256", loaded.Hash)
            .With("stages", string.Join(',', backbone.Stages))
            .With("apply_layernorm", backboneOptions.ApplyLayerNorm ?? model.Config.ApplyLayerNorm)
            .With("reshape_hidden_states", backboneOptions.ReshapeHiddenStates ?? model.Config.ReshapeHiddenStates);
        using SafetensorsSink sink = new(output, new FeatureFormat(stamp, DType.F32, []));
        IReadOnlyList<(string Name, int[] Shape)> written = [];
        foreach (PictureResult result in pipeline.ResultsAsync().ToBlockingEnumerable(cancellationToken))
        {
            if (result.Failure is { } failure)
                ExceptionDispatchInfo.Throw(failure);
            sink.Add(result.Entry.Id, [.. result.Features.Select(feature => new FeatureTensor(feature.Name, feature.Shape, feature.Values))]);
            written = [.. result.Features.Select(feature => (feature.Name, (int[])[pictures.Length, .. feature.Shape]))];
        }

        sink.Complete();
        Print(output, pictures, stamp, written, parsed.GetValue(_json));
        return ExitCodes.Ok;
    }

    private void Print(string output, string[] pictures, RunStamp stamp, IReadOnlyList<(string Name, int[] Shape)> written, bool asJson)
    {
        if (!asJson)
        {
            foreach ((string name, int[] shape) in written)
                _console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{output}: {name} {JsonText.Shape(shape)}"));
            return;
        }

        _console.Out.WriteLine(JsonText.Of(json =>
        {
            json.WriteStartObject();
            json.WriteString("output", output);
            json.WritePropertyName("images");
            JsonText.WriteStrings(json, pictures);
            stamp.Write(json);
            json.WriteStartObject("tensors");
            foreach ((string name, int[] shape) in written)
            {
                json.WritePropertyName(name);
                JsonText.WriteShape(json, shape);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }));
    }
}
