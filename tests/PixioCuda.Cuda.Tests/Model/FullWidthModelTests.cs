using PixioCuda.Tests;
using PixioCuda.Tests.Model;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The reference models of full width (up to the widths of the 5B preset), with weights made from their seeds, in every precision: on a
/// GPU only, and where they are asked for (<c>-explicit only</c>), since the emulated device would take hours.</summary>
[Trait("Category", "Full width")]
public sealed class FullWidthModelTests
{
    public static TheoryData<string> Folders => [.. Goldens.Folders.Where(folder => !folder.StartsWith("tiny", StringComparison.Ordinal))];

    [Theory(Explicit = true)]
    [MemberData(nameof(Folders))]
    public void Float32_matches_on_every_output(string folder) => Check(folder, PixioPrecision.FP32);

    [Theory(Explicit = true)]
    [MemberData(nameof(Folders))]
    public void BFloat16_is_as_accurate_as_the_official_code(string folder) => Check(folder, PixioPrecision.BF16);

    [Theory(Explicit = true)]
    [MemberData(nameof(Folders))]
    public void Float16_is_as_accurate_as_the_official_code(string folder) => Check(folder, PixioPrecision.FP16);

    [Theory(Explicit = true)]
    [InlineData(PixioPrecision.FP32)]
    [InlineData(PixioPrecision.BF16)]
    [InlineData(PixioPrecision.FP16)]
    public void A_picture_has_the_same_bits_in_every_batch(PixioPrecision precision)
    {
        RequireHardware();
        GoldenFolder folder = Goldens.Folder("vith16");
        GoldenTensor pixels = folder.PixelValues("square");
        int length = pixels.Values.Length / (int)pixels.Shape[0];
        using PixioModel model = GoldenModels.Load(folder, new PixioModelOptions { Device = "cuda", Precision = precision });
        float[]? alone = null;
        // Batches of one tile of the products and of many, with other pictures before and behind.
        foreach (int batch in (int[])[1, 2, 8, 33, 64])
        {
            float[] values = new float[batch * length];
            for (int i = 0; i < values.Length; i++)
                values[i] = MathF.Sin(i);
            int place = batch / 2;
            pixels.Values.AsSpan(0, length).CopyTo(values.AsSpan(place * length));
            EncoderOutputs outputs = GoldenModels.Run(
                model, new GoldenTensor([batch, .. pixels.Shape[1..]], values), new EncoderTaps { LastHiddenState = true });
            float[] all = outputs["last_hidden_state"].ToArray();
            float[] mine = all[(place * all.Length / batch)..((place + 1) * all.Length / batch)];
            alone ??= mine;
            Assert.True(alone.AsSpan().SequenceEqual(mine), $"{precision}: other bits in a batch of {batch} than alone.");
        }
    }

    private static void RequireHardware()
    {
        if (!Emulator.IsHardware)
            Assert.Skip("Models of full width run on a GPU only: set PIXIO_TEST_DEVICE=hardware on a machine that has one.");
    }

    private static void Check(string folderName, PixioPrecision precision)
    {
        RequireHardware();
        GoldenFolder folder = Goldens.Folder(folderName);
        bool isFloat32 = precision == PixioPrecision.FP32;
        using PixioModel model = GoldenModels.Load(folder, new PixioModelOptions { Device = "cuda", Precision = precision });
        foreach (string caseName in folder.Cases)
        {
            IReadOnlyList<string> names = [.. folder.TensorNames(caseName).Where(name => name != "pixel_values")];
            EncoderTaps taps = new()
            {
                LastHiddenState = true,
                PoolerOutput = true,
                HiddenStates = isFloat32 ? GoldenModels.Indices(names, "hidden_states.") : [],
                Attentions = isFloat32 ? [.. GoldenModels.Indices(names, "attentions.").Select(layer => new AttentionTap(layer))] : [],
            };
            EncoderOutputs outputs = GoldenModels.Run(model, folder.PixelValues(caseName), taps);
            foreach (string name in isFloat32 ? names : ["last_hidden_state", "pooler_output"])
            {
                GoldenTensor expected = folder.Tensor(caseName, name);
                int stride = name == "last_hidden_state" ? folder.TokenStride(caseName) : 1;
                // float32: twice the official code's own error; half precision: 1.1 times its error.
                double bound = precision switch
                {
                    PixioPrecision.FP32 => folder.Float32Error(caseName, name) is double error ? 2 * error : Accuracy.Float32Default,
                    PixioPrecision.BF16 => 1.1 * folder.BFloat16Error(caseName, name)!.Value,
                    _ => 1.1 * folder.Float16Error(caseName, name)!.Value,
                };
                Accuracy.Within(bound, GoldenModels.Sampled(outputs, name, expected, stride), expected.Values, $"{folderName}/{caseName} {name}, {precision}");
            }
        }
    }
}
