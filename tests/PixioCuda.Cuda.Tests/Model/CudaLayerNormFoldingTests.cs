using PixioCuda.Tests;
using PixioCuda.Tests.Model;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>LayerNorm folded into products (docs/decisions/0023) in whole models: which are, and that nothing else depends on it. That they
/// are as accurate as the official code is shown by <see cref="CudaModelTests"/>, whose device folds.</summary>
[Trait(Emulator.Category, Emulator.Only)]
public sealed class CudaLayerNormFoldingTests
{
    // Emulated devices of compute capability 9.0 and 8.0.
    private const string Hopper = "cuda:0", Ampere = "cuda:1";

    private static readonly EncoderTaps Last = new() { LastHiddenState = true };

    [Theory]
    [InlineData(PixioPrecision.BF16)]
    [InlineData(PixioPrecision.FP16)]
    public void A_block_is_five_launches(PixioPrecision precision)
    {
        using PixioModel model = Load("tiny", Hopper, precision);
        string[] launches = LaunchesOf(model, Last);
        string[] block = ["layer.1.qkv", "layer.1.attention", "layer.1.attention_residual", "layer.1.gelu", "layer.1.output"];
        Assert.Equal(block, launches.Where(name => name.StartsWith("layer.1.", StringComparison.Ordinal)));
        // What stays: nothing is in front of the first norm, the last block may go on with class tokens alone, and the last norm leaves.
        string[] norms = ["layer.0.norm1", "layer.2.norm2", "layernorm"];
        Assert.Equal(norms, launches.Where(IsNorm));
        Assert.Equal(norms, LaunchesOf(model, new EncoderTaps { PoolerOutput = true }).Where(IsNorm));
    }

    [Theory]
    [InlineData("tiny", Ampere, PixioPrecision.BF16, GemmProvider.Native)]
    [InlineData("tiny", Hopper, PixioPrecision.FP32, GemmProvider.Native)]
    [InlineData("tiny", Hopper, PixioPrecision.BF16, GemmProvider.CublasLt)]
    // 160 and 36 columns are no multiple of 64.
    [InlineData("tiny-hd80", Hopper, PixioPrecision.BF16, GemmProvider.Native)]
    [InlineData("tiny-odd", Hopper, PixioPrecision.FP16, GemmProvider.Native)]
    public void Elsewhere_every_norm_has_its_kernel(string folder, string device, PixioPrecision precision, GemmProvider gemm)
    {
        using PixioModel model = Load(folder, device, precision, gemm);
        Assert.Equal((2 * model.Config.HiddenLayers) + 1, LaunchesOf(model, Last).Count(IsNorm));
    }

    /// <summary>The stream is float32 and written once, whether a tap wants it or not; what only class tokens need does not change
    /// it.</summary>
    [Fact]
    public void Every_tap_gives_the_same_bits_alone_and_with_all_others()
    {
        using PixioModel model = Load("tiny", Hopper, PixioPrecision.BF16);
        GoldenTensor pixels = Goldens.Folder("tiny").PixelValues("wide");
        EncoderTaps[] taps =
        [
            new() { PoolerOutput = true }, new() { ClsRawMean = true }, new() { ClsConcat = true }, new() { Dense2d = true }, Last,
            .. Enumerable.Range(0, 4).Select(layer => new EncoderTaps { HiddenStates = [layer] }),
            .. Enumerable.Range(0, 3).Select(layer => new EncoderTaps { Attentions = [new AttentionTap(layer)] }),
            .. Enumerable.Range(0, 4).Select(stage => new EncoderTaps { FeatureMaps = [new FeatureMapTap(stage)] }),
        ];
        EncoderOutputs all = GoldenModels.Run(model, pixels, new EncoderTaps
        {
            LastHiddenState = true,
            PoolerOutput = true,
            ClsRawMean = true,
            ClsConcat = true,
            Dense2d = true,
            HiddenStates = [0, 1, 2, 3],
            Attentions = [new AttentionTap(0), new AttentionTap(1), new AttentionTap(2)],
            FeatureMaps = [new FeatureMapTap(0), new FeatureMapTap(1), new FeatureMapTap(2), new FeatureMapTap(3)],
        });
        foreach (EncoderTaps tap in taps)
        {
            EncoderOutputs alone = GoldenModels.Run(model, pixels, tap);
            string name = Assert.Single(alone.Plan.Outputs).Name;
            Assert.True(alone[name].Span.SequenceEqual(all[name].Span), $"{name} has other bits alone");
        }
    }

    [Fact]
    public void A_captured_graph_takes_other_inputs()
    {
        using PixioModel model = Load("tiny", Hopper, PixioPrecision.BF16);
        GoldenTensor pixels = Goldens.Folder("tiny").PixelValues("square");
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, 64), Last);
        float[] swapped = [.. pixels.Values[(pixels.Values.Length / 2)..], .. pixels.Values[..(pixels.Values.Length / 2)]];
        float[] first = Run(pixels.Values), second = Run(swapped);
        Assert.Equal([.. first[(first.Length / 2)..], .. first[..(first.Length / 2)]], second);
        Assert.Equal(first, Run(pixels.Values));

        float[] Run(float[] values)
        {
            model.Run(values, outputs);
            return outputs["last_hidden_state"].ToArray();
        }
    }

    /// <summary>A model without biases of query, key and value has one for what the norm adds.</summary>
    [Fact]
    public void A_model_without_biases_is_as_accurate_as_with_norms_of_their_own()
    {
        PixioConfig config = new()
        {
            HiddenSize = 128,
            HiddenLayers = 3,
            AttentionHeads = 2,
            ImageSize = 32,
            QkvBias = false,
            OutIndices = [3],
        };
        string folder = Directory.CreateTempSubdirectory("pixio-fold-").FullName;
        try
        {
            SyntheticCheckpoint.Write(folder, "random:fold@11", config, 11, DType.F32, shardBytes: 1 << 30, overwrite: true);
            float[] folded = Run(Hopper, PixioPrecision.BF16), kernels = Run(Ampere, PixioPrecision.BF16);
            float[] expected = Run("cpu", PixioPrecision.FP32);
            Assert.NotEqual(kernels, folded);
            double error = Error(folded, expected), own = Error(kernels, expected);
            Assert.True(error <= 1.1 * own, $"{error:g3} folded, {own:g3} with norms of their own");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        float[] Run(string device, PixioPrecision precision)
        {
            Emulator.Require();
            using PixioModel model = PixioModel.Load(folder, new PixioModelOptions { Device = device, Precision = precision });
            EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, 32), Last);
            float[] pixels = [.. Enumerable.Range(0, 2 * 3 * 32 * 32).Select(i => MathF.Sin(i))];
            model.Run(pixels, outputs);
            return outputs.Values.ToArray();
        }
    }

    /// <summary>What docs/decisions/0023 has of the reference models: errors with norms folded (9.0), and with kernels for them
    /// (8.0).</summary>
    [Theory(Explicit = true)]
    [InlineData("tiny")]
    [InlineData("tiny-hd96")]
    [InlineData("tiny-massive")]
    public void Errors_are_printed(string folderName)
    {
        GoldenFolder folder = Goldens.Folder(folderName);
        EncoderTaps taps = new() { LastHiddenState = true, PoolerOutput = true };
        foreach (PixioPrecision precision in new[] { PixioPrecision.BF16, PixioPrecision.FP16 })
        {
            foreach (string device in new[] { Ampere, Hopper })
            {
                using PixioModel model = Load(folderName, device, precision);
                EncoderOutputs outputs = GoldenModels.Run(model, folder.PixelValues("square"), taps);
                foreach (string name in new[] { "last_hidden_state", "pooler_output" })
                {
                    bool isBFloat16 = precision == PixioPrecision.BF16;
                    double? official = isBFloat16 ? folder.BFloat16Error("square", name) : folder.Float16Error("square", name);
                    double error = Accuracy.RelativeL2(outputs[name].Span, folder.Tensor("square", name).Values);
                    TestContext.Current.SendDiagnosticMessage(
                        $"{folderName} {precision} {device} {name}: {error:g3}, official {official:g3}");
                }
            }
        }
    }

    private static bool IsNorm(string launch) => launch.Contains("norm", StringComparison.Ordinal);

    private static double Error(float[] actual, float[] expected)
        => Math.Sqrt(actual.Zip(expected, (a, e) => Math.Pow((double)a - e, 2)).Sum() / expected.Sum(e => (double)e * e));

    private static string[] LaunchesOf(PixioModel model, EncoderTaps taps)
    {
        var executable = (CudaExecutable)model.Plan(new InputShape(1, model.Config.ImageSize), taps).Executable;
        return [.. executable.DescribeLaunches().Select(launch => launch.Output)];
    }

    private static PixioModel Load(string folder, string device, PixioPrecision precision, GemmProvider gemm = GemmProvider.Native)
    {
        Emulator.RequireEmulation();
        return GoldenModels.Load(folder, new PixioModelOptions { Device = device, Precision = precision, Gemm = gemm });
    }
}
