using PixioCuda.Interop;
using PixioCuda.Tests;
using PixioCuda.Tests.Model;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Whole models on the emulated device (or a real one), against the reference outputs.</summary>
public sealed class CudaModelTests
{
    public static TheoryData<string, string> Cases
    {
        get
        {
            TheoryData<string, string> cases = [];
            foreach ((string folder, string caseName) in Goldens.Cases.Where(golden => golden.Folder.StartsWith("tiny", StringComparison.Ordinal)))
                cases.Add(folder, caseName);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Float32_matches_on_every_output(string folder, string caseName) => Check(folder, caseName, PixioPrecision.FP32);

    [Theory]
    [MemberData(nameof(Cases))]
    public void BFloat16_is_as_accurate_as_the_official_code(string folder, string caseName) => Check(folder, caseName, PixioPrecision.BF16);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Float16_is_as_accurate_as_the_official_code(string folder, string caseName) => Check(folder, caseName, PixioPrecision.FP16);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Products_by_cublasLt_are_as_accurate_in_half_precision_and_nearly_so_in_float32(string folder, string caseName)
    {
        foreach (PixioPrecision precision in Enum.GetValues<PixioPrecision>())
            Check(folder, caseName, precision, GemmProvider.CublasLt);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Fast_small_batches_are_as_accurate_as_the_official_code(string folder, string caseName)
    {
        // The kernels differ in nothing else: one precision for each model, and both for one.
        PixioPrecision[] precisions = folder == "tiny" ? [PixioPrecision.BF16, PixioPrecision.FP16]
            : [folder == "tiny-massive" ? PixioPrecision.FP16 : PixioPrecision.BF16];
        foreach (PixioPrecision precision in precisions)
            Check(folder, caseName, precision, fast: true);
    }

    [Fact]
    public void A_fast_small_batch_has_the_same_bits_in_every_run()
    {
        string device = HopperName();
        GoldenFolder folder = Goldens.Folder("tiny");
        GoldenTensor pixels = folder.PixelValues("square");
        EncoderTaps taps = new() { LastHiddenState = true, PoolerOutput = true };
        using PixioModel model = GoldenModels.Load(folder, new PixioModelOptions { Device = device, Fast = true });
        using PixioModel again = GoldenModels.Load(folder, new PixioModelOptions { Device = device, Fast = true });
        Assert.Contains(", fast small batches", model.Device, StringComparison.Ordinal);
        EncoderPlan plan = model.Plan(new InputShape((int)pixels.Shape[0], (int)pixels.Shape[2]), taps);
        if (!Emulator.IsHardware)
            Assert.Contains(PixioModel.DescribeLaunches(plan), launch => launch.Kernel.StartsWith("gemm_few_sm90", StringComparison.Ordinal));
        float[] first = GoldenModels.Run(model, pixels, taps)["last_hidden_state"].ToArray();
        for (ulong seed = 1; seed <= 4; seed++)
        {
            Emulator.SetSeed(seed);
            Assert.Equal(first, GoldenModels.Run(seed % 2 == 0 ? model : again, pixels, taps)["last_hidden_state"].ToArray());
        }
    }

    [Fact]
    public void Where_there_is_no_fast_way_the_option_changes_no_bit()
    {
        Emulator.Require();
        GoldenFolder folder = Goldens.Folder("tiny");
        GoldenTensor pixels = folder.PixelValues("square");
        EncoderTaps taps = new() { LastHiddenState = true };
        PixioModelOptions options = new() { Device = HopperName(), Precision = PixioPrecision.FP32 };
        using PixioModel plain = GoldenModels.Load(folder, options), fast = GoldenModels.Load(folder, options with { Fast = true });
        Assert.Equal(plain.Device, fast.Device);
        Assert.Equal(
            GoldenModels.Run(plain, pixels, taps)["last_hidden_state"].ToArray(), GoldenModels.Run(fast, pixels, taps)["last_hidden_state"].ToArray());
    }

    [Theory]
    [InlineData(PixioPrecision.FP32)]
    [InlineData(PixioPrecision.BF16)]
    [InlineData(PixioPrecision.FP16)]
    public void A_picture_has_the_same_bits_in_every_batch_and_every_run(PixioPrecision precision)
    {
        Emulator.Require();
        GoldenFolder folder = Goldens.Folder("tiny");
        GoldenTensor pixels = folder.PixelValues("square");
        int pictureLength = pixels.Values.Length / (int)pixels.Shape[0];
        GoldenTensor first = new([1, .. pixels.Shape[1..]], pixels.Values[..pictureLength]);
        GoldenTensor three = new([3, .. pixels.Shape[1..]], [.. pixels.Values[pictureLength..], .. first.Values, .. first.Values]);
        EncoderTaps taps = new() { LastHiddenState = true, PoolerOutput = true };
        using PixioModel model = Load(folder, precision);

        float[] alone = GoldenModels.Run(model, first, taps)["last_hidden_state"].ToArray();
        float[] again = GoldenModels.Run(model, first, taps)["last_hidden_state"].ToArray();
        float[] among = GoldenModels.Run(model, three, taps)["last_hidden_state"].ToArray();
        Assert.Equal(alone, again);
        Assert.Equal(alone, among[alone.Length..(2 * alone.Length)]);
        Assert.Equal(alone, among[(2 * alone.Length)..]);
    }

    [Fact]
    public void A_captured_graph_takes_other_inputs()
    {
        Emulator.Require();
        GoldenFolder folder = Goldens.Folder("tiny");
        GoldenTensor pixels = folder.PixelValues("square");
        EncoderTaps taps = new() { PoolerOutput = true };
        using PixioModel model = Load(folder, PixioPrecision.FP32);
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, 64), taps);
        model.Run(pixels.Values, outputs);
        float[] first = outputs["pooler_output"].ToArray();
        float[] swapped = [.. pixels.Values[(pixels.Values.Length / 2)..], .. pixels.Values[..(pixels.Values.Length / 2)]];
        model.Run(swapped, outputs);
        float[] second = outputs["pooler_output"].ToArray();
        Assert.Equal([.. first[(first.Length / 2)..], .. first[..(first.Length / 2)]], second);
    }

    [Fact]
    public void Other_taps_give_the_same_numbers_as_the_CPU()
    {
        Emulator.Require();
        GoldenFolder folder = Goldens.Folder("tiny");
        GoldenTensor pixels = folder.PixelValues("wide");
        EncoderTaps taps = new()
        {
            ClsRawMean = true,
            ClsConcat = true,
            Dense2d = true,
            FeatureMaps = [new FeatureMapTap(0), new FeatureMapTap(2, ApplyLayerNorm: false), new FeatureMapTap(3, Reshape: false)],
            Attentions = [new AttentionTap(1, [2, 0])],
        };
        using PixioModel cuda = Load(folder, PixioPrecision.FP32), cpu = GoldenModels.Load(folder, new PixioModelOptions { Device = "cpu" });
        EncoderOutputs expected = GoldenModels.Run(cpu, pixels, taps), actual = GoldenModels.Run(cuda, pixels, taps);
        foreach (string name in expected.Plan.Outputs.Select(output => output.Name))
            Accuracy.Within(2 * Accuracy.Float32Default, actual[name].Span, expected[name].Span, name);
    }

    private static PixioModel Load(GoldenFolder folder, PixioPrecision precision, GemmProvider gemm = GemmProvider.Native, bool fast = false)
        => GoldenModels.Load(
            folder, new PixioModelOptions { Device = fast ? HopperName() : "cuda", Precision = precision, Gemm = gemm, Fast = fast });

    /// <summary>The first device of compute capability 9.0. Skips the running test where there is none.</summary>
    private static string HopperName()
    {
        using GpuDevice device = Emulator.Open(new ComputeCapability(9, 0));
        return $"cuda:{device.Info.Ordinal}";
    }

    private static void Check(
        string folderName, string caseName, PixioPrecision precision, GemmProvider gemm = GemmProvider.Native, bool fast = false)
    {
        Emulator.Require();
        GoldenFolder folder = Goldens.Folder(folderName);
        bool isFloat32 = precision == PixioPrecision.FP32;
        IReadOnlyList<string> names = [.. folder.TensorNames(caseName).Where(name => name != "pixel_values")];
        EncoderTaps taps = new()
        {
            LastHiddenState = true,
            PoolerOutput = true,
            HiddenStates = isFloat32 ? GoldenModels.Indices(names, "hidden_states.") : [],
            Attentions = isFloat32 ? [.. GoldenModels.Indices(names, "attentions.").Select(layer => new AttentionTap(layer))] : [],
        };
        using PixioModel model = Load(folder, precision, gemm, fast);
        Assert.Equal(gemm == GemmProvider.CublasLt, model.Device.Contains("products by cuBLASLt", StringComparison.Ordinal));
        // The library sums float32 along all of K in one accumulator, as the emulated one does; our own products sum in chunks. With massive
        // activations that alone scatters the error by more than twice (docs/decisions/0003).
        double factor = gemm == GemmProvider.CublasLt && isFloat32 && folderName == "tiny-massive" ? 2 : 1;
        GoldenTensor pixels = folder.PixelValues(caseName);
        // As the case has it; each picture alone; and three, which are the case's pictures over and over.
        int count = (int)pixels.Shape[0];
        int[] all = [.. Enumerable.Range(0, count)];
        List<int[]> batches = [all, .. all.Select(picture => new[] { picture }), [0, 1 % count, 2 % count]];
        foreach (int[] pictures in batches.DistinctBy(batch => string.Join(',', batch)))
        {
            EncoderOutputs outputs = GoldenModels.Run(model, Pictures(pixels, pictures), taps);
            foreach (string name in isFloat32 ? names : ["last_hidden_state", "pooler_output"])
            {
                Accuracy.Within(
                    factor * Bound(folder, caseName, name, precision), outputs[name].Span, Pictures(folder.Tensor(caseName, name), pictures).Values,
                    $"{folderName}/{caseName} {name}, pictures {string.Join(", ", pictures)}");
            }
        }
    }

    /// <summary>Some of the pictures of a batch.</summary>
    private static GoldenTensor Pictures(GoldenTensor batch, int[] pictures)
    {
        int length = batch.Values.Length / (int)batch.Shape[0];
        return new GoldenTensor(
            [pictures.Length, .. batch.Shape[1..]], [.. pictures.SelectMany(picture => batch.Values[(picture * length)..((picture + 1) * length)])]);
    }

    /// <summary>float32: twice the official code's own error. Half precision: 1.1 times its error; 2 times for the pooler output of these
    /// small models, whose mean of few numbers shows the rounding of probabilities that fused attention makes.</summary>
    private static double Bound(GoldenFolder folder, string caseName, string name, PixioPrecision precision) => precision switch
    {
        PixioPrecision.FP32 => folder.Float32Error(caseName, name) is double error ? 2 * error : Accuracy.Float32Default,
        PixioPrecision.BF16 => Factor(name) * folder.BFloat16Error(caseName, name)!.Value,
        _ => Factor(name) * folder.Float16Error(caseName, name)!.Value,
    };

    private static double Factor(string name) => name == "pooler_output" ? 2 : 1.1;
}
