using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Model;

/// <summary>Every output of every reference case, at the float32 accuracy that the official code itself has (times two).</summary>
public class GoldenModelTests
{
    private const string FullWidth = "Full width";

    public static TheoryData<string, string> TinyCases => Cases(folder => folder.StartsWith("tiny", StringComparison.Ordinal));

    public static TheoryData<string, string> LargeCases => Cases(folder => !folder.StartsWith("tiny", StringComparison.Ordinal));

    [Theory]
    [MemberData(nameof(TinyCases))]
    public void Tiny_models_match_on_every_output(string folder, string caseName) => Check(folder, caseName, vectorBits: null);

    [Theory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Every_vector_width_matches(int vectorBits)
    {
        if (vectorBits > CpuTarget.WidestVectorBits)
            Assert.Skip($"This machine has no vectors of {vectorBits} bits.");
        foreach ((string folder, string caseName) in Goldens.Cases.Where(golden => golden.Folder.StartsWith("tiny", StringComparison.Ordinal)))
            Check(folder, caseName, vectorBits);
    }

    [Theory]
    [Trait("Category", FullWidth)]
    [MemberData(nameof(LargeCases))]
    public void Full_width_models_match_on_every_output(string folder, string caseName) => Check(folder, caseName, vectorBits: null);

    private static TheoryData<string, string> Cases(Func<string, bool> wanted)
    {
        TheoryData<string, string> cases = [];
        foreach ((string folder, string caseName) in Goldens.Cases.Where(golden => wanted(golden.Folder)))
            cases.Add(folder, caseName);
        return cases;
    }

    private static void Check(string folderName, string caseName, int? vectorBits)
    {
        GoldenFolder folder = Goldens.Folder(folderName);
        IReadOnlyList<string> names = [.. folder.TensorNames(caseName).Where(name => name != "pixel_values")];
        EncoderTaps taps = new()
        {
            LastHiddenState = true,
            PoolerOutput = true,
            HiddenStates = GoldenModels.Indices(names, "hidden_states."),
            Attentions = [.. GoldenModels.Indices(names, "attentions.").Select(layer => new AttentionTap(layer))],
        };
        Assert.Equal(names.Count, 2 + taps.HiddenStates.Count + taps.Attentions.Count);

        using PixioModel model = GoldenModels.Load(folder, new PixioModelOptions { VectorBits = vectorBits });
        EncoderOutputs outputs = GoldenModels.Run(model, folder.PixelValues(caseName), taps);
        foreach (string name in names)
        {
            GoldenTensor expected = folder.Tensor(caseName, name);
            float[] actual = GoldenModels.Sampled(outputs, name, expected, name == "last_hidden_state" ? folder.TokenStride(caseName) : 1);
            double bound = folder.Float32Error(caseName, name) is double error ? 2 * error : Accuracy.Float32Default;
            Accuracy.Within(bound, actual, expected.Values, $"{folderName}/{caseName} {name}");
        }
    }
}
