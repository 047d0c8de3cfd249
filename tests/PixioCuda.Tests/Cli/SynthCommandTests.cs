using System.Text.Json;
using PixioCuda.Tests.Weights;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

public class SynthCommandTests
{
    private static readonly PixioConfig Tiny = new()
    {
        HiddenSize = 24,
        HiddenLayers = 2,
        AttentionHeads = 3,
        ImageSize = 32,
        PatchSize = 8,
        ClassTokens = 2,
        OutIndices = [2],
    };

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    public void A_folder_holds_the_weights_of_its_seed_in_the_type_asked_for(DType dtype)
    {
        using TemporaryFolder folder = new();
        string model = WriteTiny(folder.File("model"), seed: 3, dtype);
        Assert.Equal(["config.json", "model.safetensors", "preprocessor_config.json"],
            Directory.GetFiles(model).Select(Path.GetFileName).Order());
        Assert.Equal(Tiny, PixioConfigJson.Load(Path.Combine(model, "config.json")));

        StoredTensor bias = MinimalSafetensors.Read(Path.Combine(model, "model.safetensors"))["encoder.layer.1.mlp.fc2.bias"];
        Assert.Equal(dtype.ToString(), bias.DType);
        using PixioModel loaded = PixioModel.Load(model);
        Assert.True(loaded.IsRandom);
        Assert.Equal("hf:bicubic-32x32", loaded.Recipe.Id);
    }

    [Fact]
    public void Shards_have_an_index_and_load_as_one_file_does()
    {
        using TemporaryFolder folder = new();
        string whole = WriteTiny(folder.File("whole"), seed: 1), sharded = WriteTiny(folder.File("sharded"), seed: 1, shardBytes: 20_000);
        string[] shards = [.. Directory.GetFiles(sharded, "*.safetensors").Order()];
        Assert.True(shards.Length > 2);
        Assert.Equal($"model-00001-of-{shards.Length:D5}.safetensors", Path.GetFileName(shards[0]));
        Assert.All(shards, shard => Assert.InRange(MinimalSafetensors.Read(shard).Values.Sum(tensor => tensor.Bytes.Length), 1, 20_000));

        using var index = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(sharded, "model.safetensors.index.json")));
        long total = MinimalSafetensors.Read(Path.Combine(whole, "model.safetensors")).Values.Sum(tensor => (long)tensor.Bytes.Length);
        Assert.Equal(total, index.RootElement.GetProperty("metadata").GetProperty("total_size").GetInt64());

        using PixioModel one = PixioModel.Load(whole), many = PixioModel.Load(sharded);
        Assert.True(many.IsRandom);
        Assert.Equal(one.Embed(CliData.Cat), many.Embed(CliData.Cat));
    }

    [Fact]
    public void A_model_that_is_replaced_leaves_nothing_of_itself()
    {
        using TemporaryFolder folder = new();
        string model = WriteTiny(folder.File("model"), seed: 1);
        Assert.Throws<IOException>(() => WriteTiny(model, seed: 2, shardBytes: 20_000));

        WriteTiny(model, seed: 2, shardBytes: 20_000, overwrite: true);
        // A single file would be preferred to the shards.
        Assert.False(File.Exists(Path.Combine(model, "model.safetensors")));
        WriteTiny(model, seed: 2, overwrite: true);
        Assert.Equal(["config.json", "model.safetensors", "preprocessor_config.json"],
            Directory.GetFileSystemEntries(model).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void What_is_cancelled_leaves_no_folder()
    {
        using TemporaryFolder folder = new();
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(
            () => SyntheticCheckpoint.Write(folder.File("model"), "vitb16", cancellationToken: cancelled.Token));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Root));
    }

    [Fact]
    public void A_folder_with_a_model_is_refused_without_force()
    {
        using TemporaryFolder folder = new();
        string model = WriteTiny(folder.File("model"), seed: 1);
        PixioRun run = PixioRun.Of("synth", "vitb16", model);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("--force", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Full width")]
    public void A_preset_is_written_and_gives_what_it_gives_in_memory()
    {
        using TemporaryFolder folder = new();
        PixioRun run = PixioRun.Of("synth", "vitb16", folder.File("model"), "--seed", "9", "--json");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        Assert.Equal("random:vitb16@9", json.RootElement.GetProperty("weights").GetString());
        Assert.Equal(4 * PixioPresets.Get("vitb16").ParameterCount, json.RootElement.GetProperty("stored_bytes").GetInt64());
        using PixioModel written = PixioModel.Load(folder.File("model")), made = PixioModel.Load("random:vitb16@9");
        Assert.Equal(made.Embed(CliData.Cat), written.Embed(CliData.Cat));
    }

    internal static string WriteTiny(
        string folder, ulong seed, DType dtype = DType.F32, long shardBytes = long.MaxValue, bool overwrite = false)
    {
        SyntheticCheckpoint.Write(folder, $"random:tiny@{seed}", Tiny, seed, dtype, shardBytes, overwrite);
        return folder;
    }
}
