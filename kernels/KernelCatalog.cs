namespace PixioCuda.Kernels;

/// <summary>The kernels that an encoder's forward pass needs, in the configurations that are chosen for it.</summary>
internal static class KernelCatalog
{
    private static readonly Precision[] AllPrecisions = Enum.GetValues<Precision>();
    private static readonly int[] TypicalBatches = [1, 8, 64];

    /// <summary>All kernels of the published encoders, in every precision.</summary>
    public static IReadOnlyList<IKernelConfig> ForPresets(DeviceLimits device) => ForModels(EncoderDimensions.Presets, device);

    /// <summary>All kernels of some encoders, in every precision.</summary>
    public static IReadOnlyList<IKernelConfig> ForModels(IReadOnlyList<EncoderDimensions> models, DeviceLimits device)
        => For(models, AllPrecisions, device);

    /// <summary>All kernels of some encoders in some precisions, for pictures of the encoders' own size in small and large batches.</summary>
    public static IReadOnlyList<IKernelConfig> For(
        IReadOnlyList<EncoderDimensions> models, IReadOnlyList<Precision> precisions, DeviceLimits device) =>
    [
        .. models.SelectMany(model => precisions.SelectMany(precision => TypicalBatches.SelectMany(
            batch => ForModel(model, precision, batch, model.ImageHeight, model.ImageWidth, device))))
            .DistinctBy(config => config.Source.Title),
    ];

    /// <summary>The kernels of one forward pass.</summary>
    /// <param name="model">The encoder.</param>
    /// <param name="precision">What it computes in.</param>
    /// <param name="batch">Pictures.</param>
    /// <param name="height">Of the pictures, a multiple of the patch's.</param>
    /// <param name="width">Of the pictures.</param>
    /// <param name="device">Whose limits the choice keeps.</param>
    public static IEnumerable<IKernelConfig> ForModel(
        EncoderDimensions model, Precision precision, int batch, int height, int width, DeviceLimits device)
    {
        int tokens = model.TokensOf(height, width);
        ElementType element = precision.Element();
        foreach (ElementType output in new[] { element, ElementType.F32 }.Distinct())
            yield return LayerNormKernel.SelectConfig(new LayerNormShape(batch, tokens, 0, tokens, model.HiddenSize, element, output));
    }
}
