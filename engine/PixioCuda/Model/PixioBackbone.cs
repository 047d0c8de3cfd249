namespace PixioCuda;

/// <summary>A feature map of a backbone.</summary>
/// <param name="Stage">"stem" or "stage8".</param>
/// <param name="Shape">[B, d, H/p, W/p], or [B, n + P, d] when hidden states are not reshaped.</param>
/// <param name="Values">Row-major.</param>
public sealed record FeatureMap(string Stage, IReadOnlyList<int> Shape, ReadOnlyMemory<float> Values);

/// <summary>A model seen as a backbone that gives feature maps of chosen stages, as transformers' <c>PixioBackbone</c> does. Blocks behind
/// the last chosen stage are not run.</summary>
/// <remarks>Numbering: the original depth and segmentation heads name zero-based blocks; their 7, 15, 23, 31 of ViT-H are stage8,
/// stage16, stage24, stage32 here.</remarks>
public sealed class PixioBackbone : IDisposable
{
    private readonly bool _ownsModel;
    private readonly EncoderTaps _taps;

    /// <summary>Looks at a loaded model as a backbone. The model stays its owner's to dispose of.</summary>
    /// <exception cref="ArgumentException">A stage does not exist.</exception>
    public PixioBackbone(PixioModel model, BackboneOptions? options = null) : this(model, options, ownsModel: false) { }

    private PixioBackbone(PixioModel model, BackboneOptions? options, bool ownsModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        _ownsModel = ownsModel;
        _taps = (options ?? new BackboneOptions()).Taps(model.Config);
    }

    /// <summary>The model behind it.</summary>
    public PixioModel Model { get; }

    /// <summary>The names of the stages, in the order of the maps.</summary>
    public IReadOnlyList<string> Stages => [.. _taps.FeatureMaps.Select(tap => StageNames.NameOf(tap.Stage))];

    /// <summary>What a run is asked for.</summary>
    internal EncoderTaps Taps => _taps;

    /// <summary>Loads a model as a backbone that owns it.</summary>
    /// <param name="model">As for <see cref="PixioModel.Load(string, PixioModelOptions?, IProgress{LoadProgress}?, CancellationToken)"/>.</param>
    /// <param name="backboneOptions">Stages and form of the maps; null for what the config says.</param>
    /// <param name="options">Device and threads; null for the defaults.</param>
    /// <param name="progress">Told about every 16 MB, on the threads that load.</param>
    /// <param name="cancellationToken">Stops the loading; everything taken is freed.</param>
    /// <exception cref="ModelFormatException">There is no such model, or its config or weights cannot be used.</exception>
    /// <exception cref="ArgumentException">An option is not valid, or a stage does not exist.</exception>
    public static PixioBackbone Load(
        string model, BackboneOptions? backboneOptions = null, PixioModelOptions? options = null, IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        PixioModel loaded = PixioModel.Load(model, options, progress, cancellationToken);
        try
        {
            return new PixioBackbone(loaded, backboneOptions, ownsModel: true);
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    /// <summary>Runs the encoder as far as the last chosen stage.</summary>
    /// <param name="pixels">As for <see cref="PixioModel.Run(EncoderInput, EncoderOutputs, CancellationToken)"/>.</param>
    /// <param name="shape">Batch, size and type of the pixels.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run.</param>
    /// <returns>One map for each of <see cref="Stages"/>.</returns>
    /// <exception cref="ArgumentException">The sides are not multiples of the patch size, or the pixels are not as many as the shape says.</exception>
    public IReadOnlyList<FeatureMap> Run(EncoderInput pixels, InputShape shape, CancellationToken cancellationToken = default)
    {
        EncoderOutputs outputs = CreateOutputs(shape);
        Model.Run(pixels, outputs, cancellationToken);
        return [.. outputs.Plan.Outputs.Zip(Stages, (output, stage) => new FeatureMap(stage, output.Shape, outputs[output.Name]))];
    }

    /// <summary>Makes memory for the maps of an input shape, to be filled by <see cref="PixioModel.Run(EncoderInput, EncoderOutputs, CancellationToken)"/>
    /// again and again; the outputs are named "feature_maps.stage8" and so on.</summary>
    /// <exception cref="ArgumentException">The sides are not multiples of the patch size.</exception>
    public EncoderOutputs CreateOutputs(InputShape shape) => Model.CreateOutputs(shape, _taps);

    /// <summary>Disposes of the model, if <see cref="Load"/> made it.</summary>
    public void Dispose()
    {
        if (_ownsModel)
            Model.Dispose();
    }
}
