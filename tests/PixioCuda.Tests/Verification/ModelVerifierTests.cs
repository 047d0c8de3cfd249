using PixioCuda.Tests.Hub;
using PixioCuda.Tests.Weights;
using PixioCuda.Verification;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Verification;

/// <summary>Right models pass, and every kind of wrong one is caught.</summary>
public class ModelVerifierTests
{
    private static string Tiny => TestData.Path("tiny");

    /// <summary>Models with weights in their folder, and cases of which every hidden state is known in float64.</summary>
    public static TheoryData<string, string> Cases
    {
        get
        {
            TheoryData<string, string> cases = [];
            foreach ((string folder, string name) in Goldens.Cases.Where(golden => Goldens.Folder(golden.Folder).ShipsWeights))
                cases.Add(folder, name);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_right_model_holds_against_the_official_code(string folder, string name)
    {
        VerificationReport report = ModelVerifier.Verify(
            TestData.Path(folder), new VerificationOptions { Against = TestData.Path(folder, $"{name}.safetensors") });
        Assert.Empty(report.Findings);
        Assert.Equal(OutputSpool.NamesOf(Goldens.Folder(folder).Config), report.Outputs.Select(output => output.Name));
        foreach (OutputVerification output in report.Outputs)
        {
            // The bound allows what the official code itself errs in float32, and is far from what half precision does.
            OutputDistance against = Assert.IsType<OutputDistance>(output.Against);
            Assert.True(against.RelativeL2 <= output.Bound, output.ToString());
            Assert.True((Goldens.Folder(folder).Float32Error(name, output.Name) ?? 0) <= output.Bound, output.ToString());
            // What bfloat16 holds, float16 does too where it is not tiny or huge.
            Assert.True(folder is "tiny-f16" or "tiny-bf16" || output.Float16Weights.RelativeL2 > 10 * output.Bound, output.ToString());
            Assert.True(folder == "tiny-bf16" || output.BFloat16Weights.RelativeL2 > 100 * output.Bound, output.ToString());
            Assert.True(against.WorstTokenRelativeL2 >= against.RelativeL2 && against.Cosine > 1 - 1e-9, output.ToString());
        }
    }

    [Fact]
    public void Rounding_to_the_type_that_is_stored_changes_nothing()
    {
        Assert.All(ModelVerifier.Verify(TestData.Path("tiny-bf16")).Outputs, output => Assert.Equal(0, output.BFloat16Weights.RelativeL2));
        Assert.All(ModelVerifier.Verify(TestData.Path("tiny-f16")).Outputs, output => Assert.Equal(0, output.Float16Weights.RelativeL2));
    }

    [Theory]
    [InlineData("hidden_states.2", 1e-4f)]
    [InlineData("last_hidden_state", 1e-4f)]
    [InlineData("pooler_output", -1e-4f)]
    [InlineData("hidden_states.0", float.NaN)]
    public void An_output_that_is_off_is_named(string name, float relative)
    {
        using TemporaryFolder folder = new();
        string path = folder.File("reference.safetensors");
        Rewrite(TestData.Path("tiny", "square.safetensors"), path, (tensor, values) =>
        {
            foreach (ref float value in tensor == name ? values.AsSpan() : [])
                value *= 1 + relative;
        });
        VerificationReport report = ModelVerifier.Verify(Tiny, new VerificationOptions { Against = path });
        Assert.StartsWith("Against the file 1 of 6 outputs are further away than float32 rounding explains, from " + name,
            Assert.Single(report.Findings), StringComparison.Ordinal);
        // A tolerance that is asked for takes the bound's place.
        int expected = float.IsNaN(relative) ? 1 : 0;
        Assert.Equal(expected, ModelVerifier.Verify(Tiny, new VerificationOptions { Against = path, Tolerance = 2e-4 }).Findings.Count);
    }

    [Fact]
    public void One_token_that_is_off_is_found()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("reference.safetensors");
        Rewrite(TestData.Path("tiny", "square.safetensors"), path, (tensor, values) =>
        {
            foreach (ref float value in tensor == "hidden_states.3" ? values.AsSpan(29 * 64, 64) : [])
                value *= 1.01f;
        });
        OutputVerification output = ModelVerifier.Verify(Tiny, new VerificationOptions { Against = path }).Outputs[3];
        Assert.Equal(29, output.Against!.WorstToken);
        Assert.Equal(0.01 / 1.01, output.Against.WorstTokenRelativeL2, 1e-5);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Weights_that_are_not_finite_are_named_and_not_run(float value)
    {
        using TemporaryFolder folder = new();
        CopyTiny(folder, (tensor, values) =>
        {
            if (tensor == "encoder.layer.1.mlp.fc1.weight")
                values[17] = value;
        });
        VerificationReport report = ModelVerifier.Verify(folder.Root);
        string finding = Assert.Single(report.Findings);
        Assert.Contains("'encoder.layer.1.mlp.fc1.weight' holds 1 values of 16,384", finding, StringComparison.Ordinal);
        Assert.Empty(report.Outputs);
    }

    [Fact]
    public void A_matrix_of_zeros_is_named_and_a_bias_of_zeros_is_not()
    {
        using TemporaryFolder folder = new();
        CopyTiny(folder, (tensor, values) =>
        {
            if (tensor is "encoder.layer.0.attention.attention.key.weight" or "encoder.layer.0.attention.attention.key.bias")
                values.AsSpan().Clear();
        });
        Assert.Contains("'encoder.layer.0.attention.attention.key.weight' holds nothing but zeros",
            Assert.Single(ModelVerifier.Verify(folder.Root).Findings), StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_too_large_for_float16_are_a_note()
    {
        using TemporaryFolder folder = new();
        CopyTiny(folder, (tensor, values) =>
        {
            if (tensor == "layernorm.weight")
                values[3] = 1e6f;
        });
        VerificationReport report = ModelVerifier.Verify(folder.Root);
        Assert.Empty(report.Findings);
        Assert.StartsWith("1 weights are too large for float16", Assert.Single(report.Notes), StringComparison.Ordinal);
        Assert.False(double.IsFinite(report.Outputs.Single(output => output.Name == "last_hidden_state").Float16Weights.RelativeL2));
    }

    [Fact]
    public async Task A_blob_that_is_not_what_its_name_says_is_found()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string folder = await PixioCuda.Hub.PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        VerificationReport report = ModelVerifier.Verify(folder);
        Assert.Empty(report.Findings);
        Assert.Equal(["config.json", "model.safetensors", "preprocessor_config.json"], report.Files.Select(file => file.Name));
        Assert.All(report.Files, file => Assert.Equal(FakeHub.HashOf(file.Name, hub[file.Name]), file.Actual));

        // One bit of a weight, so that nothing else shows it.
        byte[] damaged = [.. hub["model.safetensors"]];
        damaged[^4] ^= 1;
        File.WriteAllBytes(cache.File($"models--facebook--pixio-tiny/blobs/{hub.Weights}"), damaged);
        Assert.Contains(FakeHub.Sha256(damaged), Assert.Single(ModelVerifier.Verify(folder).Findings), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_input_than_the_models_is_refused()
    {
        Assert.Contains("this model takes [B, 3, H, W]", Fails("tiny-odd", "square"), StringComparison.Ordinal);
        Assert.Contains("belongs to another model", Fails("tiny-hd80", "square"), StringComparison.Ordinal);

        static string Fails(string folder, string name) => Assert.Throws<ModelFormatException>(() => ModelVerifier.Verify(
            Tiny, new VerificationOptions { Against = TestData.Path(folder, $"{name}.safetensors") })).Message;
    }

    [Fact]
    public void A_file_without_input_or_outputs_is_refused()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("reference.safetensors");
        using (var writer = SafetensorsWriter.Create(path, [new TensorInfo("pixel_values", DType.F32, [1, 3, 16, 16])]))
        {
            writer.Append("pixel_values", new float[3 * 16 * 16]);
            writer.Complete();
        }

        Assert.Contains("none of the outputs", Fails(path), StringComparison.Ordinal);
        Assert.Contains("no pixel_values", Fails(TestData.Path("tiny", "model.safetensors")), StringComparison.Ordinal);
        Assert.Contains("no file", Fails(folder.File("nowhere")), StringComparison.Ordinal);

        static string Fails(string against) => Assert.Throws<ModelFormatException>(
            () => ModelVerifier.Verify(Tiny, new VerificationOptions { Against = against })).Message;
    }

    [Fact]
    public void Every_step_is_told_and_any_can_be_the_last()
    {
        List<VerificationProgress> reports = [];
        ModelVerifier.Verify(Tiny, progress: new Watching(reports.Add));
        string[] steps = [.. reports.Select(report => report.Step).Distinct()];
        Assert.Equal(7, steps.Length);
        Assert.All(reports, report => Assert.InRange(report.Share, 0, 1));
        foreach (string step in steps)
        {
            using CancellationTokenSource stop = new();
            Watching stopping = new(report =>
            {
                if (report.Step == step)
                    stop.Cancel();
            });
            Assert.ThrowsAny<OperationCanceledException>(
                () => ModelVerifier.Verify(Tiny, progress: stopping, cancellationToken: stop.Token));
        }
    }

    /// <summary>Copies the tiny model with changed weights.</summary>
    private static void CopyTiny(TemporaryFolder folder, Action<string, float[]> change)
    {
        File.Copy(TestData.Path("tiny", "config.json"), folder.File("config.json"));
        Rewrite(TestData.Path("tiny", "model.safetensors"), folder.File("model.safetensors"), change);
    }

    private static void Rewrite(string from, string to, Action<string, float[]> change)
    {
        Dictionary<string, StoredTensor> tensors = MinimalSafetensors.Read(from);
        using var writer = SafetensorsWriter.Create(to, tensors.Select(pair => new TensorInfo(pair.Key, DType.F32, pair.Value.Shape)));
        foreach ((string name, StoredTensor tensor) in tensors)
        {
            float[] values = tensor.Floats();
            change(name, values);
            writer.Append(name, values);
        }

        writer.Complete();
    }

    private sealed class Watching(Action<VerificationProgress> watch) : IProgress<VerificationProgress>
    {
        public void Report(VerificationProgress value)
        {
            lock (watch)
                watch(value);
        }
    }
}
