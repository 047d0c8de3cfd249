using System.Text.Json;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

public class ModelCommandTests
{
    [Fact]
    public void Info_says_what_the_config_and_the_files_say()
    {
        PixioRun run = PixioRun.Of("info", TestData.Path("tiny-bf16"), "--json", "--shape", "2x64x32", "--plan");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        JsonElement root = json.RootElement;
        StoredTensor[] tensors = [.. MinimalSafetensors.Read(TestData.Path("tiny-bf16", "model.safetensors")).Values];
        Assert.Equal(tensors.Sum(tensor => (long)tensor.Bytes.Length), root.GetProperty("stored_bytes").GetInt64());
        Assert.Equal(tensors.Length, root.GetProperty("tensors").GetInt32());
        Assert.Equal(tensors.Sum(tensor => tensor.Bytes.Length / 2), root.GetProperty("parameters").GetInt64());
        Assert.Equal("BF16", Assert.Single(root.GetProperty("stored_types").EnumerateArray()).GetString());
        Assert.Equal(64, root.GetProperty("config").GetProperty("hidden_size").GetInt32());
        Assert.Equal([2f, 3f, 64f, 32f], CliData.Floats(root.GetProperty("input_shape")));
        Assert.Equal((4 * 2) + 8, root.GetProperty("tokens_per_image").GetInt32());
        Assert.Equal(2 * 64 * 4, root.GetProperty("memory_bytes").GetProperty("output").GetInt64());
        Assert.StartsWith("arena ", root.GetProperty("plan").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Info_plans_the_memory_that_a_run_then_takes()
    {
        InputShape shape = new(3, new ImageSize(48, 80));
        EncoderTaps taps = new() { LastHiddenState = true, HiddenStates = [1] };
        using PixioModel model = PixioModel.Load(CliData.Model, new PixioModelOptions { Threads = 2 });
        EncoderPlan plan = model.Plan(shape, taps);
        MemoryEstimate estimate = PixioModelInfo.Open(CliData.Model).EstimateMemory(shape, taps, threads: 2);
        Assert.Equal(plan.ArenaByteCount, estimate.ArenaByteCount);
        Assert.Equal(4 * plan.OutputLength, estimate.OutputByteCount);
        Assert.Equal(4 * plan.InputLength, estimate.InputByteCount);
        Assert.Equal(plan.DescribeMemory(), estimate.Plan);
        // All dimensions of this model fill whole panels, so that there is no padding.
        Assert.Equal(model.WeightByteCount, estimate.WeightByteCount);
    }

    [Fact]
    public void Info_prints_one_fact_on_a_line()
    {
        PixioRun run = PixioRun.Of("info", "random:vith16");
        Assert.Equal(0, run.ExitCode);
        Assert.Single(run.OutLines,
            line => line.StartsWith("parameters ", StringComparison.Ordinal) && line.EndsWith(" 631,013,120", StringComparison.Ordinal));
        Assert.All(run.OutLines, line => Assert.Equal(line.TrimEnd(), line));
        Assert.Contains("random", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void Bench_measures_as_many_runs_as_asked_for_without_allocating()
    {
        PixioRun run = PixioRun.Of(
            "bench", "-m", CliData.Model, "--batch", "2", "--size", "48x64", "--iterations", "20", "--json", "--threads", "1");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        JsonElement root = json.RootElement;
        Assert.Equal(20, root.GetProperty("runs").GetInt32());
        Assert.Equal([2f, 3f, 48f, 64f], CliData.Floats(root.GetProperty("input_shape")));
        double low = Seconds("p10_seconds"), median = Seconds("median_seconds"), high = Seconds("p90_seconds");
        Assert.True(low > 0 && low <= median && median <= high);
        Assert.Equal(2 / median, root.GetProperty("images_per_second").GetDouble(), 1e-6 * (2 / median));
        Assert.True(root.GetProperty("peak_memory_bytes").GetInt64() > 1_000_000);
        double peak = root.GetProperty("peak_gflops_per_second").GetDouble(), share = root.GetProperty("peakShare").GetDouble();
        Assert.Equal(root.GetProperty("gflops_per_second").GetDouble() / peak, share, 1e-9);
        // More than the units can do would be a fault of the count or of the peak; of so small a model the share is small.
        Assert.InRange(share, double.Epsilon, 1.05);

        double Seconds(string name) => root.GetProperty(name).GetDouble();
    }

    [Fact]
    public void Features_are_what_a_backbone_gives()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("maps.safetensors");
        PixioRun run = PixioRun.Of(
            "features", CliData.Cat, CliData.Rocket, "-m", CliData.Model, "--out-features", "stem,stage2",
            "--no-layernorm", "--resize", "32x64", "-o", output);
        Assert.Equal(0, run.ExitCode);
        Assert.Equal([$"{output}: feature_maps.stem [2, 64, 2, 4]", $"{output}: feature_maps.stage2 [2, 64, 2, 4]"], run.OutLines);

        Dictionary<string, StoredTensor> tensors = MinimalSafetensors.Read(output);
        using PixioModel model = CliData.Load(new ImageSize(32, 64));
        using PixioBackbone backbone = new(model, new BackboneOptions { OutIndices = [0, 2], ApplyLayerNorm = false });
        float[] pixels = new float[2 * 3 * 32 * 64];
        model.Preprocess(model.Decode(CliData.Cat), pixels.AsSpan(0, pixels.Length / 2));
        model.Preprocess(model.Decode(CliData.Rocket), pixels.AsSpan(pixels.Length / 2));
        foreach (FeatureMap map in backbone.Run(pixels, new InputShape(2, new ImageSize(32, 64))))
            Assert.Equal(map.Values.ToArray(), tensors[$"feature_maps.{map.Stage}"].Floats());

        Dictionary<string, string> metadata = CliData.Metadata(output);
        Assert.Equal("stem,stage2", metadata["stages"]);
        Assert.Equal("false", metadata["apply_layernorm"]);
        Assert.Equal("hf:bicubic-32x64", metadata["recipe"]);
    }

    [Fact]
    public void Features_keep_their_tokens_when_asked_to_and_take_stages_from_the_end()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("tokens.safetensors");
        PixioRun run = PixioRun.Of(
            "features", CliData.Cat, "-m", CliData.Model, "--out-indices", "0,-1", "--no-reshape", "-o", output, "--json", "-q");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        Assert.Equal([1f, 24f, 64f], CliData.Floats(json.RootElement.GetProperty("tensors").GetProperty("feature_maps.stage3")));
        Assert.Equal([1, 24, 64], MinimalSafetensors.Read(output)["feature_maps.stem"].Shape);
    }
}
