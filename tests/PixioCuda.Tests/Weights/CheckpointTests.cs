using PixioCuda.Weights;
using Xunit;
using static PixioCuda.Tests.Weights.SafetensorsBytes;

namespace PixioCuda.Tests.Weights;

public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_a_file_and_an_index_open()
    {
        foreach (string path in new[]
        {
            TestData.Path("tiny"), TestData.Path("tiny", "model.safetensors"), TestData.Path("tiny-sharded"),
            TestData.Path("tiny-sharded", "model.safetensors.index.json"),
        })
        {
            using ITensorSource source = Checkpoint.Open(path);
            Assert.Equal(54, source.Tensors.Count);
            Assert.StartsWith(path, source.Description, StringComparison.Ordinal);
            Assert.False(source.IsRandom);
        }
    }

    [Fact]
    public void A_single_file_goes_before_an_index()
    {
        _folder.Write("model.safetensors", File($"{{{Tensor("single", "F32", "1", 0, 4)}}}", 4));
        WriteIndex("""{"weight_map":{"sharded":"gone.safetensors"}}""");

        using ITensorSource source = Checkpoint.Open(_folder.Root);

        Assert.Equal(["single"], source.Tensors.Keys);
    }

    [Fact]
    public void An_empty_folder_names_what_was_looked_for()
        => AssertRefused(_folder.Root, _folder.Root, "'model.safetensors'", "'model.safetensors.index.json'");

    [Fact]
    public void A_path_to_nothing_says_so()
        => AssertRefused(_folder.File("nowhere"), _folder.File("nowhere"), "neither a folder", "nor a file");

    [Fact]
    public void Every_missing_shard_is_named()
    {
        WriteShard("one.safetensors", "a");
        WriteIndex("""{"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"three.safetensors"}}""");

        AssertRefused(_folder.Root, "2 shards", "'two.safetensors'", "'three.safetensors'");
    }

    [Theory]
    [InlineData("../one.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("sub/one.safetensors")]
    [InlineData("..\\\\one.safetensors")]
    [InlineData("C:one.safetensors")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("one\\u0000.safetensors")]
    public void A_shard_outside_the_folder_is_refused(string shard)
    {
        WriteShard("one.safetensors", "a");
        WriteIndex($$$"""{"weight_map":{"a":"{{{shard}}}"}}""");

        AssertRefused(_folder.Root, "tensor 'a'", "not the name of a file beside it");
    }

    [Fact]
    public void Shards_may_be_links_as_a_download_cache_keeps_them()
    {
        Directory.CreateDirectory(_folder.File("blobs"));
        Directory.CreateDirectory(_folder.File("snapshot"));
        WriteShard("blobs/0a", "a");
        System.IO.File.CreateSymbolicLink(_folder.File("snapshot/one.safetensors"), "../blobs/0a");
        WriteIndex("""{"weight_map":{"a":"one.safetensors"}}""", "snapshot/model.safetensors.index.json");

        using ITensorSource source = Checkpoint.Open(_folder.File("snapshot"));

        Assert.Equal(["a"], source.Tensors.Keys);
    }

    [Fact]
    public void A_tensor_that_its_shard_does_not_hold_and_one_that_the_index_does_not_know_are_both_named()
    {
        WriteShard("one.safetensors", "a", "extra");
        WriteShard("two.safetensors", "b");
        WriteIndex("""{"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"}}""");

        AssertRefused(_folder.Root, "'c' in 'two.safetensors'", "'extra' in 'one.safetensors'");
    }

    [Fact]
    public void A_tensor_in_another_shard_than_the_index_says_is_refused()
    {
        WriteShard("one.safetensors", "a", "b");
        WriteShard("two.safetensors", "c");
        WriteIndex("""{"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"}}""");

        AssertRefused(_folder.Root, "1 tensor that is missing", "'b' in 'two.safetensors'", "'b' in 'one.safetensors'");
    }

    [Fact]
    public void A_damaged_shard_is_named()
    {
        WriteShard("one.safetensors", "a");
        string broken = _folder.Write("two.safetensors", [1, 2, 3]);
        WriteIndex("""{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}""");

        AssertRefused(_folder.Root, broken, "3 bytes");
        // Nothing of the first shard is left open.
        System.IO.File.OpenHandle(_folder.File("one.safetensors"), FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "an array instead of an object")]
    [InlineData("{", "not valid JSON")]
    [InlineData("{}", "no weight_map")]
    [InlineData("""{"weight_map":{}}""", "no weight_map, or an empty one")]
    [InlineData("""{"weight_map":["a"]}""", "an array instead of an object")]
    [InlineData("""{"weight_map":{"a":1}}""", "tensor 'a' to a number")]
    [InlineData("""{"weight_map":{"a":"one.safetensors","a":"one.safetensors"}}""", "tensor 'a' twice")]
    [InlineData("""{"weight_map":{"a":"one.safetensors"},"weight_map":{"a":"one.safetensors"}}""", "'weight_map' twice")]
    [InlineData("""{"weight_map":{"a":"one.safetensors"}} x""", "not valid JSON")]
    [InlineData("""{"weight_map":{"\ud800":"one.safetensors"}}""", "not valid JSON")]
    public void A_damaged_index_is_refused(string index, string sentence)
    {
        WriteShard("one.safetensors", "a");
        WriteIndex(index);

        AssertRefused(_folder.Root, _folder.File("model.safetensors.index.json"), sentence);
    }

    [Fact]
    public void An_index_beyond_the_limit_is_refused_before_it_is_read()
    {
        using (FileStream index = System.IO.File.Create(_folder.File("model.safetensors.index.json")))
            index.SetLength(100_000_001);

        long before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefused(_folder.Root, "100000001 bytes");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public void A_shard_with_a_type_that_cannot_be_read_opens_and_tells()
    {
        _folder.Write("one.safetensors", File($"{{{Tensor("a", "F32", "1", 0, 4)},{Tensor("count", "I64", "", 4, 12)}}}", 12));
        WriteIndex("""{"metadata":{"total_size":12},"weight_map":{"a":"one.safetensors","count":"one.safetensors"}}""");

        using ITensorSource source = Checkpoint.Open(_folder.Root);

        Assert.Equal(["a"], source.Tensors.Keys);
        Assert.Equal("I64", source.UnsupportedTensors["count"]);
    }

    [Fact]
    public void Random_weights_that_were_saved_are_still_random_and_the_same()
    {
        GoldenFolder golden = Goldens.Folder("tiny-odd");
        using SyntheticWeights weights = SyntheticWeights.Create("random:tiny-odd@6", golden.Config, golden.Seed);
        foreach (DType dtype in Enum.GetValues<DType>())
        {
            CheckpointWriter.Save(weights, _folder.File("model.safetensors"), dtype, null, TestContext.Current.CancellationToken);
            using ITensorSource saved = Checkpoint.Open(_folder.Root);

            Assert.True(saved.IsRandom);
            Assert.Equal(weights.Tensors.Keys, saved.Tensors.Keys);
            foreach (TensorInfo tensor in saved.Tensors.Values)
            {
                Assert.Equal(dtype, tensor.DType);
                float[] made = new float[tensor.ElementCount];
                byte[] expected = new byte[made.Length * dtype.ElementBytes()];
                byte[] stored = new byte[expected.Length];
                weights.ReadFloats(weights.Tensors[tensor.Name], 0, made);
                TensorConversion.FromFloat32(dtype, made, expected);
                saved.ReadBytes(tensor, 0, stored);
                Assert.Equal(expected, stored);
            }
        }
    }

    [Fact]
    public void Saving_can_be_stopped_and_leaves_nothing()
    {
        GoldenFolder golden = Goldens.Folder("tiny-odd");
        using SyntheticWeights weights = SyntheticWeights.Create("random:tiny-odd@6", golden.Config, golden.Seed);

        var canceled = new CancellationToken(canceled: true);

        Assert.Throws<OperationCanceledException>(
            () => CheckpointWriter.Save(weights, _folder.File("model.safetensors"), DType.F32, null, canceled));

        Assert.Empty(Directory.GetFileSystemEntries(_folder.Root));
    }

    private void WriteShard(string name, params string[] tensors)
    {
        IEnumerable<string> entries = tensors.Select((tensor, i) => Tensor(tensor, "F32", "1", 4 * i, 4 * i + 4));
        _folder.Write(name, File($"{{{string.Join(",", entries)}}}", 4 * tensors.Length));
    }

    private void WriteIndex(string json, string name = "model.safetensors.index.json") =>
        System.IO.File.WriteAllText(_folder.File(name), json);

    private static void AssertRefused(string path, params ReadOnlySpan<string> sentences)
    {
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path));
        foreach (string sentence in sentences)
            Assert.Contains(sentence, exception.Message, StringComparison.Ordinal);
    }
}
