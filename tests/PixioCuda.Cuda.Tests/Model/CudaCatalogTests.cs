using System.Collections.Concurrent;
using PixioCuda.Graph;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The catalogue beside what plans of the published encoders launch. Kernels that are missing there are not compiled ahead; more
/// than plans launch cost everybody who compiles all of them.</summary>
public sealed class CudaCatalogTests
{
    private static readonly DeviceLimits[] Devices = [DeviceLimits.A100, DeviceLimits.Rtx4090, DeviceLimits.H200];

    private static readonly ConcurrentDictionary<(GemmShape Shape, DeviceLimits Device, bool Fast), GemmConfig> Products = new();

    [Theory]
    [InlineData("vitb16")]
    [InlineData("vitl16")]
    [InlineData("vith16")]
    [InlineData("vit1b16")]
    [InlineData("vit5b16")]
    public void It_has_what_plans_launch_and_no_other_product(string preset)
    {
        PixioConfig config = PixioPresets.Get(preset);
        EncoderDimensions model = EncoderDimensions.Presets.Single(known => known.Name == preset);
        foreach (DeviceLimits device in Devices)
        {
            foreach (Precision precision in Enum.GetValues<Precision>())
            {
                HashSet<string> known = [.. KernelCatalog.For([model], [precision], device).Select(kernel => kernel.Source.Title)];
                HashSet<string> launched = [];
                foreach (int batch in new[] { 1, 8, 64 })
                {
                    foreach (EncoderTaps taps in Taps(config))
                        launched.UnionWith(Launches(config, precision, device, batch, taps).Select(kernel => kernel.Source.Title));
                }

                Assert.True(launched.IsSubsetOf(known), $"{preset}, {precision}, {device.ComputeCapability}: no {string.Join(", no ", launched.Except(known))}");
                string[] unused = [.. known.Where(IsProduct).Except(launched)];
                Assert.True(unused.Length == 0, $"{preset}, {precision}, {device.ComputeCapability}: nothing launches {string.Join(", ", unused)}");
            }
        }
    }

    /// <summary>All of them are to be compiled within 20 seconds (docs/performance.md).</summary>
    [Fact]
    public void Encoders_and_batches_share_kernels()
    {
        Assert.InRange(KernelCatalog.ForPresets(DeviceLimits.A100).Count, 100, 160);
        Assert.InRange(KernelCatalog.ForPresets(DeviceLimits.Rtx4090).Count, 100, 170);
        Assert.InRange(KernelCatalog.ForPresets(DeviceLimits.H200).Count, 100, 215);
        Assert.InRange(KernelCatalog.ForPresets(DeviceLimits.H200).Count(kernel => kernel.Source.Entry == "gemm_sm90"), 1, 20);
    }

    private static bool IsProduct(string title) => title.StartsWith("gemm", StringComparison.Ordinal)
        && !title.StartsWith("gemm_epilogue", StringComparison.Ordinal);

    private static EncoderTaps[] Taps(PixioConfig config) =>
    [
        new() { LastHiddenState = true }, new() { PoolerOutput = true }, new() { ClsRawMean = true }, new() { ClsConcat = true },
        new() { Dense2d = true }, new() { LastHiddenState = true, PoolerOutput = true },
        new() { HiddenStates = [1] }, new() { HiddenStates = [config.HiddenLayers] },
        new() { Attentions = [new AttentionTap(config.HiddenLayers - 1)] }, new() { FeatureMaps = [new FeatureMapTap(config.HiddenLayers)] },
        new()
        {
            LastHiddenState = true,
            PoolerOutput = true,
            ClsRawMean = true,
            ClsConcat = true,
            Dense2d = true,
            HiddenStates = [.. Enumerable.Range(0, config.HiddenLayers + 1)],
            Attentions = [.. Enumerable.Range(0, config.HiddenLayers).Select(layer => new AttentionTap(layer))],
            FeatureMaps = [.. Enumerable.Range(0, config.HiddenLayers + 1).Select(stage => new FeatureMapTap(stage))],
        },
    ];

    // Blocks and taps have the same products over and over, and each is chosen from thousands of configurations.
    private static GemmConfig ConfigOf(GemmShape shape, DeviceLimits device, bool fast)
        => Products.GetOrAdd((shape, device, fast), static key => GemmKernel.SelectConfig(key.Shape, key.Device, key.Fast));

    private static IEnumerable<IKernelConfig> Launches(PixioConfig config, Precision precision, DeviceLimits device, int batch, EncoderTaps taps)
    {
        EncoderGraph graph = EncoderGraph.Create(config, new InputShape(batch, config.ImageSize), taps);
        graph = LayerNormFolding.Of(config, precision, GemmProvider.Native, device)?.Fold(graph) ?? graph;
        CudaTensorTypes types = new(graph, precision);
        // A single picture's products also where bits may depend on the batch.
        bool[] modes = batch == 1 ? [false, true] : [false];
        return graph.Ops.SelectMany(Kernels).Distinct();

        IEnumerable<IKernelConfig> Kernels(GraphOp op)
        {
            switch (op)
            {
                case LinearOp product:
                    return modes.Select(fast => ConfigOf(CudaCompiler.ProductOf(product, types, precision), device, fast));
                case LayerNormOp norm:
                    return [LayerNormKernel.SelectConfig(new LayerNormShape(
                        batch, norm.Input.Shape[1], norm.FirstToken, norm.TokenCount, norm.Input.Columns, types[norm.Input], types[norm.Output]))];
                case AttentionOp attention:
                    AttentionShape shape = new(
                        batch, attention.Qkv.Shape[1], attention.QueryTokens, attention.HeadCount, config.HeadSize, types[attention.Qkv]);
                    return
                    [
                        .. attention.Output is null ? Array.Empty<IKernelConfig>() : [AttentionKernel.SelectConfig(shape, device)],
                        .. attention.Probabilities is null ? Array.Empty<IKernelConfig>()
                            : [AttentionProbabilitiesKernel.SelectConfig(shape with { QueryTokens = shape.Tokens }, device)],
                    ];
                case SelectTokensOp select:
                    return [SelectTokensKernel.SelectConfig(new SelectTokensShape(
                        batch, select.Input.Shape[1], select.FirstToken, select.TokenCount, select.Input.Columns, types[select.Input], types[select.Output]))];
                case MeanTokensOp mean:
                    return [MeanTokensKernel.SelectConfig(new MeanTokensShape(
                        batch, mean.Input.Shape[1], mean.TokenCount, mean.Input.Columns, types[mean.Input], types[mean.Output]))];
                case AppendMeanOp append:
                    int tokens = append.Tokens.Shape[1];
                    return [AppendMeanKernel.SelectConfig(new AppendMeanShape(
                        batch, tokens, tokens - append.FirstToken, append.Tokens.Columns, types[append.Tokens], types[append.Output]))];
                case TokensToMapOp map:
                    return [TokensToMapKernel.SelectConfig(new TokensToMapShape(
                        batch, map.Input.Shape[1], map.Input.Shape[1] - map.FirstToken, map.Input.Columns, types[map.Input], types[map.Output]))];
                case PatchEmbedOp patches:
                    return new[] { PixelType.F32, PixelType.U8 }.Select(pixels => PatchEmbedKernel.SelectConfig(
                        new PatchEmbedShape(
                            batch, config.Channels, config.ImageSize.Height, config.ImageSize.Width, config.PatchSize.Height, config.PatchSize.Width,
                            config.ClassTokens, config.HiddenSize, pixels, precision.Element(), types[patches.Output]),
                        device));
                default:
                    throw new NotSupportedException($"{op.GetType().Name} is unknown here.");
            }
        }
    }
}
