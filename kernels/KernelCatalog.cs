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
    public static IReadOnlyList<IKernelConfig> ForModel(
        EncoderDimensions model, Precision precision, int batch, int height, int width, DeviceLimits device)
    {
        ElementType element = precision.Element();
        return
        [
            .. Embeddings(model, element, batch, height, width, device),
            .. Blocks(model, element, batch, model.TokensOf(height, width), device),
            .. FoldedProducts(model, element, batch, model.TokensOf(height, width), device),
            .. Heads(model, batch, model.TokensOf(height, width)),
            .. Conversions(element),
            new ResizeRowsConfig(), new ResizeColumnsConfig(Planes: false), new ResizeColumnsConfig(Planes: true),
        ];
    }

    private static IEnumerable<IKernelConfig> Embeddings(
        EncoderDimensions model, ElementType element, int batch, int height, int width, DeviceLimits device)
    {
        foreach (PixelType pixels in new[] { PixelType.F32, PixelType.U8 })
        {
            yield return PatchEmbedKernel.SelectConfig(
                new PatchEmbedShape(
                    batch, model.Channels, height, width, model.PatchHeight, model.PatchWidth, model.ClassTokens, model.HiddenSize, pixels, element,
                    ElementType.F32),
                device);
        }

        int storedHeight = model.ImageHeight / model.PatchHeight, storedWidth = model.ImageWidth / model.PatchWidth;
        yield return PosEmbedKernel.SelectConfig(
            new PosEmbedShape(model.ClassTokens, storedHeight, storedWidth, height / model.PatchHeight, width / model.PatchWidth, model.HiddenSize));
    }

    /// <summary>What each block launches, for all tokens and, in the last one, for the class tokens alone.</summary>
    private static IEnumerable<IKernelConfig> Blocks(EncoderDimensions model, ElementType element, int batch, int tokens, DeviceLimits device)
    {
        int d = model.HiddenSize;
        AttentionShape attention = new(batch, tokens, tokens, model.HeadCount, model.HeadSize, element);
        yield return LayerNormKernel.SelectConfig(new LayerNormShape(batch, tokens, 0, tokens, d, ElementType.F32, element));
        foreach (bool fast in Modes(batch))
            yield return Gemm(batch * tokens, 3 * d, d, element, model.QkvBias ? GemmEpilogue.Bias : GemmEpilogue.None, fast);
        yield return AttentionProbabilitiesKernel.SelectConfig(attention, device);
        foreach (int queries in new[] { tokens, model.ClassTokens })
        {
            yield return AttentionKernel.SelectConfig(attention with { QueryTokens = queries }, device);
            foreach (bool fast in Modes(batch))
            {
                yield return Gemm(batch * queries, d, d, ElementType.F32, GemmEpilogue.BiasResidual, fast);
                yield return Gemm(batch * queries, model.MlpSize, d, element, GemmEpilogue.BiasGelu, fast);
                yield return Gemm(batch * queries, d, model.MlpSize, ElementType.F32, GemmEpilogue.BiasResidual, fast);
            }
        }

        // Behind products of cuBLASLt.
        yield return GemmEpilogueKernel.SelectConfig(new GemmEpilogueShape(batch * tokens, model.MlpSize, GemmEpilogue.BiasGelu, element));
        if (element == ElementType.F32)
            yield return GemmEpilogueKernel.SelectConfig(new GemmEpilogueShape(batch * tokens, d, GemmEpilogue.BiasResidual, element));
        else if (model.QkvBias)
            yield return GemmEpilogueKernel.SelectConfig(new GemmEpilogueShape(batch * tokens, 3 * d, GemmEpilogue.Bias, element));

        GemmConfig Gemm(int m, int n, int k, ElementType output, GemmEpilogue epilogue, bool fast)
            => GemmKernel.SelectConfig(new GemmShape(m, n, k, element, output, epilogue), device, fast);
    }

    /// <summary>A single picture's products also as they are where bits may depend on the batch.</summary>
    private static bool[] Modes(int batch) => batch == 1 ? [false, true] : [false];

    /// <summary>What most blocks launch, and loading takes, where products do LayerNorms; the first and the last block have some as
    /// above.</summary>
    private static IEnumerable<IKernelConfig> FoldedProducts(
        EncoderDimensions model, ElementType element, int batch, int tokens, DeviceLimits device)
    {
        int d = model.HiddenSize;
        if (!GemmFoldings.Allows(d, model.MlpSize, element, device))
            yield break;
        int rows = batch * tokens;
        GemmShape applies = new(rows, 3 * d, d, element, element, GemmEpilogue.Bias) { Folding = GemmFolding.Applies };
        GemmShape prepares = new(rows, d, d, element, ElementType.F32, GemmEpilogue.BiasResidual) { Folding = GemmFolding.Prepares };
        foreach (bool fast in Modes(batch))
        {
            yield return GemmKernel.SelectConfig(applies, device, fast);
            yield return GemmKernel.SelectConfig(applies with { N = model.MlpSize, Epilogue = GemmEpilogue.BiasGelu }, device, fast);
            yield return GemmKernel.SelectConfig(prepares, device, fast);
            yield return GemmKernel.SelectConfig(prepares with { K = model.MlpSize }, device, fast);
        }

        foreach (ElementType stored in Enum.GetValues<ElementType>())
            yield return FoldNormKernel.SelectConfig(new FoldNormShape(1, d, stored, element));
    }

    /// <summary>What follows the last block. Everything that leaves the device is float32.</summary>
    private static IEnumerable<IKernelConfig> Heads(EncoderDimensions model, int batch, int tokens)
    {
        const ElementType F32 = ElementType.F32;
        int d = model.HiddenSize, patches = tokens - model.ClassTokens;
        yield return LayerNormKernel.SelectConfig(new LayerNormShape(batch, tokens, 0, tokens, d, F32, F32));
        yield return SelectTokensKernel.SelectConfig(new SelectTokensShape(batch, tokens, 0, model.ClassTokens, d, F32, F32));
        yield return MeanTokensKernel.SelectConfig(new MeanTokensShape(batch, tokens, model.ClassTokens, d, F32, F32));
        yield return AppendMeanKernel.SelectConfig(new AppendMeanShape(batch, tokens, patches, d, F32, F32));
        yield return TokensToMapKernel.SelectConfig(new TokensToMapShape(batch, tokens, patches, d, F32, F32));
    }

    /// <summary>What loading weights takes: from every stored type, to the element type and to float32.</summary>
    private static IEnumerable<IKernelConfig> Conversions(ElementType element)
        => Enum.GetValues<ElementType>().SelectMany(
            stored => new[] { element, ElementType.F32 }.Distinct().Select(target => ConvertKernel.SelectConfig(ConvertShape.Flat(1, stored, target))))
            .Append(ConvertKernel.SelectConfig(new ConvertShape(1, 1, 16 / element.ByteCount(), ElementType.F32, element)));
}
