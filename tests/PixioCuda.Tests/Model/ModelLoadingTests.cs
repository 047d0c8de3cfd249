using Xunit;

namespace PixioCuda.Tests.Model;

public class ModelLoadingTests
{
    [Fact]
    public void A_checkpoint_folder_loads_whole_or_in_shards()
    {
        GoldenFolder folder = Goldens.Folder("tiny");
        using PixioModel whole = PixioModel.Load(TestData.Path("tiny"));
        using PixioModel sharded = PixioModel.Load(TestData.Path("tiny-sharded"));
        EncoderTaps taps = new() { LastHiddenState = true };
        Assert.False(whole.IsRandom);
        Assert.True(GoldenModels.Run(whole, folder.PixelValues("square"), taps).Values
            .SequenceEqual(GoldenModels.Run(sharded, folder.PixelValues("square"), taps).Values));
    }

    [Fact]
    public void A_random_model_says_so_and_its_seed_decides()
    {
        using PixioModel first = PixioModel.Load("random:vitb16@3");
        Assert.True(first.IsRandom);
        Assert.Equal("random:vitb16@3", first.Name);
        Assert.Equal(768, first.Config.HiddenSize);
        // 86 million parameters, with at most a panel of padding for each.
        Assert.InRange(first.WeightByteCount, first.Config.ParameterCount * 4, (first.Config.ParameterCount * 4) + 1_000_000);
    }

    [Theory]
    [InlineData("random:vitx16", "vitb16")]
    [InlineData("random:vitb16@x", "seed")]
    [InlineData("no/such/folder", "no/such/folder")]
    public void A_model_that_is_not_there_is_named(string model, string word)
    {
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => PixioModel.Load(model));
        Assert.Contains(word, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_are_checked_before_weights_are_read()
    {
        Assert.Throws<ArgumentException>(() => PixioModel.Load("random:vit5b16", new PixioModelOptions { Device = "tpu" }));
        Assert.Throws<ArgumentException>(() => PixioModel.Load("random:vit5b16", new PixioModelOptions { Threads = 0 }));
        Assert.Throws<ArgumentException>(() => PixioModel.Load("random:vit5b16", new PixioModelOptions { Recipe = "mine" }));
        Assert.Throws<ArgumentException>(() => PixioModel.Load("random:vit5b16", new PixioModelOptions { Resize = 100 }));
    }

    [Fact]
    public void Loading_can_be_cancelled_and_tells_how_far_it_is()
    {
        using CancellationTokenSource source = new();
        List<LoadProgress> reports = [];
        Assert.Throws<OperationCanceledException>(() => PixioModel.Load("random:vitl16", progress: new Reporter(reports, source), cancellationToken: source.Token));
        LoadProgress first = Assert.Single(reports.Take(1));
        Assert.InRange(first.LoadedByteCount, 1, first.TotalByteCount / 2);
    }

    [Fact]
    public void Weights_of_another_size_are_all_named()
    {
        string folder = Directory.CreateTempSubdirectory("pixio-test").FullName;
        try
        {
            File.Copy(TestData.Path("tiny", "model.safetensors"), Path.Combine(folder, "model.safetensors"));
            string config = File.ReadAllText(TestData.Path("tiny", "config.json")).Replace("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", StringComparison.Ordinal)
                .Replace("\"mlp_ratio\": 4", "\"mlp_ratio\": 2", StringComparison.Ordinal);
            File.WriteAllText(Path.Combine(folder, "config.json"), config);
            string message = Assert.Throws<ModelFormatException>(() => PixioModel.Load(folder)).Message;
            Assert.Contains("encoder.layer.3.norm1.weight", message, StringComparison.Ordinal);
            Assert.Contains("encoder.layer.0.mlp.fc1.weight", message, StringComparison.Ordinal);
            File.Delete(Path.Combine(folder, "config.json"));
            Assert.Contains("config.json", Assert.Throws<ModelFormatException>(() => PixioModel.Load(folder)).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Reports on the threads that load, as IProgress may; Progress would post them elsewhere.</summary>
    private sealed class Reporter(List<LoadProgress> reports, CancellationTokenSource source) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value)
        {
            lock (reports)
                reports.Add(value);
            source.Cancel();
        }
    }
}
