using System.Globalization;
using PixioCuda.Kernels;

namespace PixioCuda.Bench;

/// <summary>What every launch of a forward pass on an H200 is expected to take, by the kernels' own models: waves, main loop, way out, bytes.
/// Nothing is measured and no device is needed; docs/performance.md keeps the tables, to be held against what is measured.</summary>
internal static class ExpectedTimes
{
    // An H200's clock; and what a copy and a product of 8192^3 reach there by another library, which the products' clock follows: power binds.
    private const double Clock = 1.755e9, CopyBytesPerSecond = 4.3e12, MatmulFlops = 790e12;

    // From one kernel's end to the next one's first work, where that one began early (programmatic dependent launch).
    private const double GapSeconds = 0.8e-6;

    // From a launch's first load to its last store when nothing is in the way.
    private const double LatencySeconds = 1.2e-6;

    // Exponentials and other float32 instructions of a multiprocessor in a cycle; multiply-adds of its tensor cores (H100 white paper).
    private const double ExponentialsPerCycle = 16, LanesPerCycle = 128, MultiplyAddsPerCycle = 2048;

    // Of each score beside its exponential: maximum, scale, sum, half a conversion.
    private const double InstructionsPerScore = 4;

    private static readonly DeviceLimits Device = DeviceLimits.H200;

    private static double ProductClock => MatmulFlops / (2 * MultiplyAddsPerCycle * Device.SmCount);

    /// <summary>Prints a table for a preset at some batches, 256 x 256 pictures in bf16.</summary>
    /// <param name="preset">The encoder.</param>
    /// <param name="batches">The batches.</param>
    /// <param name="fast">Whether products may sum in other orders (<see cref="PixioModelOptions.Fast"/>).</param>
    public static int Print(string preset, IReadOnlyList<int> batches, bool fast)
    {
        EncoderDimensions? model = EncoderDimensions.Presets.FirstOrDefault(known => known.Name == preset);
        if (model is null)
        {
            Console.Error.WriteLine($"There is no preset '{preset}': choose {string.Join(", ", EncoderDimensions.Presets.Select(known => known.Name))}.");
            return 2;
        }

        Console.WriteLine("| batch | launch | times | configuration | us each | bound by | ms in all |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (int batch in batches)
        {
            Launch[] launches = [.. Launches(model, batch, fast)];
            foreach (Launch launch in launches)
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {batch} | {launch.What} | {launch.Times} | {launch.Config} | {1e6 * launch.Seconds:F1} | {launch.Bound} | {1e3 * launch.Times * launch.Seconds:F2} |"));
            }

            double sum = launches.Sum(launch => launch.Times * launch.Seconds);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {batch} | **all** | {launches.Sum(launch => launch.Times)} | | | | **{1e3 * sum:F2}**, {batch / sum:F0} pictures/s |"));
        }

        return 0;
    }

    private static IEnumerable<Launch> Launches(EncoderDimensions model, int batch, bool fast)
    {
        const ElementType Half = ElementType.BF16, Single = ElementType.F32;
        int d = model.HiddenSize, layers = LayersOf(model), tokens = model.TokensOf(256, 256), rows = batch * tokens;
        PatchEmbedShape patches = new(batch, 3, 256, 256, 16, 16, model.ClassTokens, d, PixelType.F32, Half, Single);
        yield return Moved("patch_embed", 1, "mma.sync", PatchEmbedKernel.SelectConfig(patches, Device).Work(patches), 0.62);
        LayerNormShape norm = new(batch, tokens, 0, tokens, d, Single, Half), last = norm with { Output = Single };
        // The first block's norm1 and the last one's norm2; all others are folded into the products around them.
        yield return Moved("layer_norm", 2, "", LayerNormKernel.SelectConfig(norm).Work(norm), 1);
        GemmShape qkv = new(rows, 3 * d, d, Half, Half, GemmEpilogue.Bias);
        GemmShape fc1 = qkv with { N = model.MlpSize, Epilogue = GemmEpilogue.BiasGelu };
        GemmShape proj = new(rows, d, d, Half, Single, GemmEpilogue.BiasResidual), fc2 = proj with { K = model.MlpSize };
        yield return Product("qkv, first block", 1, qkv, fast);
        yield return Product("qkv", layers - 1, qkv with { Folding = GemmFolding.Applies }, fast);
        yield return Attention(layers, new AttentionShape(batch, tokens, tokens, model.HeadCount, model.HeadSize, Half));
        yield return Product("proj", layers - 1, proj with { Folding = GemmFolding.Prepares }, fast);
        yield return Product("fc1", layers - 1, fc1 with { Folding = GemmFolding.Applies }, fast);
        yield return Product("fc2", layers - 1, fc2 with { Folding = GemmFolding.Prepares }, fast);
        yield return Product("proj, last block", 1, proj, fast);
        yield return Product("fc1, last block", 1, fc1, fast);
        yield return Product("fc2, last block", 1, fc2, fast);
        yield return Moved("layer_norm, last", 1, "", LayerNormKernel.SelectConfig(last).Work(last), 1);
    }

    private static Launch Product(string what, int times, GemmShape shape, bool fast)
    {
        GemmEstimate estimate = Sm90GemmChoice.Of(shape, GemmKernel.Estimates(shape, Device, fast));
        // Cycles at the clock that power leaves to busy tensor cores; few rows do not keep them busy.
        double cores = shape.Flops / (2 * MultiplyAddsPerCycle * Device.SmCount * estimate.Cycles);
        double cycles = estimate.Cycles / (cores > 0.7 ? ProductClock : Clock), bytes = estimate.Config.Work(shape).DramBytes / CopyBytesPerSecond;
        string name = $"{estimate.Config.Name}, {estimate.Waves} waves of {estimate.Tiles} tiles";
        string bound = bytes > cycles ? "memory" : string.Create(CultureInfo.InvariantCulture, $"tiles (tensor cores {cores:P0} of the cycles)");
        return new Launch(what, times, name, Math.Max(cycles, bytes) + GapSeconds, bound);
    }

    private static Launch Attention(int times, AttentionShape shape)
    {
        var config = (ResidentAttentionConfig)AttentionKernel.SelectConfig(shape, Device);
        // Of 64 queries: two products, of whole panels, and a softmax, which those of the other resident block hide and are hidden by.
        double scores = 64.0 * config.Keys, products = 2 * scores * shape.HeadDim / MultiplyAddsPerCycle;
        double softmax = (scores / ExponentialsPerCycle) + (scores * InstructionsPerScore / LanesPerCycle);
        long tiles = AttentionShape.CeilDiv(shape.QueryTokens, config.BlockRows), heads = (long)shape.Heads * shape.Batch;
        long blocks = heads * config.SharedBlocks, slots = (long)Device.SmCount * config.BlocksPerSm;
        double tilesOfBusiest = Math.Ceiling((double)tiles / config.SharedBlocks) * Math.Ceiling((double)blocks / slots);
        // Alone on its multiprocessor, a block hides nothing.
        bool isAlone = blocks <= Device.SmCount;
        double cycles = isAlone ? tilesOfBusiest * (products + softmax) : tilesOfBusiest * config.BlocksPerSm * Math.Max(products, softmax);
        double arithmetic = (cycles / Clock) + LatencySeconds, bytes = config.Work(shape).DramBytes / CopyBytesPerSecond;
        string bound = bytes > arithmetic ? "memory" : softmax > products ? "softmax" : "tensor cores";
        return new Launch("attention", times, $"resident, {config.SharedBlocks} blocks a head", Math.Max(arithmetic, bytes) + GapSeconds, bound);
    }

    private static Launch Moved(string what, int times, string config, KernelWork work, double ofTensorCores)
    {
        double bytes = work.DramBytes / CopyBytesPerSecond, cores = config.Length > 0 ? work.Flops / (ofTensorCores * MatmulFlops) : 0;
        double most = Math.Max(bytes, cores);
        string bound = most < LatencySeconds ? "latency" : bytes >= cores ? "memory" : "tensor cores";
        return new Launch(what, times, config, most + LatencySeconds + GapSeconds, bound);
    }

    private static int LayersOf(EncoderDimensions model) => PixioPresets.Get(model.Name).HiddenLayers;

    private sealed record Launch(string What, int Times, string Config, double Seconds, string Bound);
}
