using System.Text;
using Xunit;

namespace PixioCuda.Tests.Model;

public class PixioConfigTests
{
    [Theory]
    [InlineData("vitb16", 768, 12, 12, 64, 86)]
    [InlineData("vitl16", 1024, 24, 16, 64, 303)]
    [InlineData("vith16", 1280, 32, 16, 80, 631)]
    [InlineData("vit1b16", 1536, 48, 24, 64, 1362)]
    [InlineData("vit5b16", 3072, 48, 32, 96, 5441)]
    public void Presets_have_the_published_sizes(string name, int hiddenSize, int layers, int heads, int headSize, int millions)
    {
        PixioConfig config = PixioPresets.Get(name);
        Assert.Empty(config.Validate());
        Assert.Equal((hiddenSize, layers, heads, headSize), (config.HiddenSize, config.HiddenLayers, config.AttentionHeads, config.HeadSize));
        Assert.Equal((16, 3, 8, 264), (config.PatchSize.Height, config.Channels, config.ClassTokens, config.PositionCount));
        Assert.Equal(millions, Math.Round(config.ParameterCount / 1e6));
    }

    [Theory]
    [InlineData("vitb16", 47.7)]
    [InlineData("vitl16", 166.7)]
    [InlineData("vith16", 344.1)]
    [InlineData("vit1b16", 738.7)]
    [InlineData("vit5b16", 2912)]
    public void Flops_match_the_count_by_hand(string name, double gigaflops) =>
        Assert.Equal(gigaflops, PixioPresets.Get(name).FlopsPerImage(256) / 1e9, gigaflops > 1000 ? 1.0 : 0.06);

    [Fact]
    public void Every_reference_config_survives_a_round_trip()
    {
        foreach (string folder in Goldens.Folders)
        {
            PixioConfig config = PixioConfigJson.Load(TestData.Path(folder, "config.json"));
            string copy = Path.GetTempFileName();
            try
            {
                PixioConfigJson.Save(config, copy);
                Assert.Equal(config, PixioConfigJson.Load(copy));
            }
            finally
            {
                File.Delete(copy);
            }
        }
    }

    [Fact]
    public void Pairs_and_integers_are_both_sizes()
    {
        PixioConfig config = Parse("""{"image_size": [64, 96], "patch_size": [16, 8], "hidden_size": 64, "num_attention_heads": 4}""");
        Assert.Equal(new ImageSize(64, 96), config.ImageSize);
        Assert.Equal(new ImageSize(4, 12), config.PositionGrid);
        Assert.Equal(new ImageSize(2, 2), config.GridFor(new ImageSize(32, 16)));
    }

    [Fact]
    public void Every_violated_constraint_has_its_own_sentence()
    {
        string message = Refused("""
            {"hidden_size": 65, "num_attention_heads": 4, "num_hidden_layers": 0, "mlp_ratio": -1, "image_size": 50, "patch_size": 16,
             "num_channels": 0, "n_cls_tokens": 0, "layer_norm_eps": 0, "hidden_act": "relu", "model_type": "dinov2", "qkv_bias": "yes", "out_indices": [7]}
            """);
        string[] wanted =
        [
            "hidden_size 65 must be a multiple", "num_hidden_layers must be between", "mlp_ratio must be above 0", "image_size 50x50 must be a multiple",
            "num_channels must be", "n_cls_tokens must be", "layer_norm_eps must be", "hidden_act is 'relu'", "model_type is 'dinov2'",
            "qkv_bias must be true or false", "out_indices holds 7",
        ];
        Assert.All(wanted, sentence => Assert.Contains(sentence, message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("[]", "object")]
    [InlineData("{", "JSON")]
    [InlineData("""{"hidden_size": "64"}""", "whole number")]
    [InlineData("""{"hidden_size": 1e99}""", "whole number")]
    [InlineData("""{"image_size": [1, 2, 3]}""", "pair")]
    [InlineData("""{"image_size": -16}""", "image_size")]
    [InlineData("""{"hidden_size": 2147483647, "num_attention_heads": 1}""", "hidden_size")]
    [InlineData("""{"out_features": ["stage1", "stage99"]}""", "stage99")]
    [InlineData("""{"out_features": ["stage1"], "out_indices": [2]}""", "different stages")]
    [InlineData("""{"mlp_ratio": 0.0000001}""", "at least one unit")]
    public void What_is_not_a_config_is_refused(string json, string reason) => Assert.Contains(reason, Refused(json), StringComparison.Ordinal);

    [Fact]
    public void Negative_indices_count_from_the_end() =>
        Assert.Equal([31, 32], Parse("""{"out_indices": [-2, -1]}""").OutIndices);

    private static PixioConfig Parse(string json) => PixioConfigJson.Parse(Encoding.UTF8.GetBytes(json), "config.json");

    private static string Refused(string json) => Assert.Throws<ModelFormatException>(() => Parse(json)).Message;
}
