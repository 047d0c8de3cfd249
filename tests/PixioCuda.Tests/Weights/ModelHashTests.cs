using PixioCuda.Tests.Cli;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights;

public class ModelHashTests
{
    [Fact]
    public void The_same_values_in_other_files_have_the_same_hash()
    {
        using TemporaryFolder folder = new();
        string hash = Hash(CliData.Model);
        Assert.Matches("^[0-9a-f]{64}$", hash);
        using (OpenedModel opened = ModelReference.Open(CliData.Model))
            CheckpointConverter.Convert(opened, folder.File("sharded"), dtype: null, shardBytes: 20_000, overwrite: false);
        Assert.True(Directory.GetFiles(folder.File("sharded"), "*.safetensors").Length > 1);
        Assert.Equal(hash, Hash(folder.File("sharded")));
        Assert.Equal(hash, Hash(Path.Combine(CliData.Model, "model.safetensors")));
    }

    [Fact]
    public void Another_value_type_or_config_has_another_hash()
    {
        using TemporaryFolder folder = new();
        CheckpointConverter.Convert(CliData.Model, folder.File("half"), DType.BF16);
        string changed = Directory.CreateDirectory(folder.File("changed")).FullName,
            heads = Directory.CreateDirectory(folder.File("eps")).FullName;
        foreach (string target in new[] { changed, heads })
        {
            foreach (string file in new[] { "config.json", "model.safetensors" })
                File.Copy(Path.Combine(CliData.Model, file), Path.Combine(target, file));
        }

        byte[] weights = File.ReadAllBytes(Path.Combine(changed, "model.safetensors"));
        weights[^1] ^= 1;
        File.WriteAllBytes(Path.Combine(changed, "model.safetensors"), weights);
        PixioConfig config = PixioConfigJson.Load(Path.Combine(heads, "config.json"));
        PixioConfigJson.Save(config with { AttentionHeads = config.AttentionHeads * 2 }, Path.Combine(heads, "config.json"));
        string[] hashes =
        [
            .. new[] { CliData.Model, folder.File("half"), changed, heads, "random:vitb16", "random:vitb16@1",
                "random:vitl16" }.Select(Hash),
        ];
        Assert.Equal(hashes.Length, hashes.Distinct().Count());
        // A name without a seed is that of seed 0.
        Assert.Equal(Hash("random:vitb16"), Hash("random:vitb16@0"));
    }

    private static string Hash(string model) => ModelHash.Compute(model, TestContext.Current.CancellationToken);
}
