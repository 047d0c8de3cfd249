using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights;

public class CheckpointBindingTests
{
    private static PixioConfig Tiny => Goldens.Folder("tiny").Config;

    private static IReadOnlyList<TensorInfo> Expected => HuggingFaceNames.EncoderTensors(Tiny);

    public static TheoryData<string> ShippedFolders =>
        [.. Goldens.Folders.Where(folder => Goldens.Folder(folder).ShipsWeights), "tiny-sharded"];

    [Theory]
    [MemberData(nameof(ShippedFolders))]
    public void Shipped_checkpoints_bind_by_their_own_names(string folder)
    {
        PixioConfig config = PixioConfigJson.Load(TestData.Path(folder, "config.json"));
        IReadOnlyList<TensorInfo> expected = HuggingFaceNames.EncoderTensors(config);
        using ITensorSource source = Checkpoint.Open(TestData.Path(folder));
        CheckpointBinding binding = CheckpointBinding.Bind(source, expected);

        Assert.Equal("", binding.Prefix);
        Assert.Equal(expected.Select(tensor => tensor.Name).Order(), binding.Tensors.Keys.Order());
        Assert.All(binding.Tensors.Keys, name => Assert.Equal(name, binding.StoredName(name)));
    }

    [Theory]
    [InlineData("pixio.")]
    [InlineData("backbone.")]
    [InlineData("model.encoder.vision_tower.")]
    [InlineData("embeddings.")]
    public void A_common_prefix_is_taken_off(string prefix)
    {
        using var source = new ListedTensors(Expected.Select(tensor => tensor with { Name = prefix + tensor.Name }));
        CheckpointBinding binding = CheckpointBinding.Bind(source, Expected);

        Assert.Equal(prefix, binding.Prefix);
        Assert.Equal(Expected.Select(tensor => tensor.Name).Order(), binding.Tensors.Keys.Order());
        Assert.All(binding.Tensors.Keys, name => Assert.Equal(prefix + name, binding.StoredName(name)));
    }

    [Fact]
    public void Tensors_of_the_model_around_the_encoder_are_left_alone()
    {
        using var source = new ListedTensors(
            [.. Expected.Select(tensor => tensor with { Name = "backbone." + tensor.Name }), new("head.weight", DType.F32, [3, 64])],
            new() { ["head.steps"] = "I64" });

        Assert.Equal(Expected.Count, CheckpointBinding.Bind(source, Expected).Tensors.Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("backbone.")]
    public void Short_layer_names_are_understood(string prefix)
    {
        using var source = new ListedTensors(Expected.Select(
            tensor => tensor with { Name = prefix + tensor.Name.Replace("encoder.layer.", "layers.", StringComparison.Ordinal) }));
        CheckpointBinding binding = CheckpointBinding.Bind(source, Expected);

        Assert.Equal(prefix, binding.Prefix);
        Assert.Equal(prefix + "layers.2.mlp.fc1.weight", binding.StoredName("encoder.layer.2.mlp.fc1.weight"));
    }

    [Fact]
    public void Everything_that_is_wrong_is_named_in_one_error()
    {
        using var source = new ListedTensors(
            Expected.Where(tensor => tensor.Name is not ("embeddings.cls_token" or "layernorm.bias" or "encoder.layer.1.norm1.bias"))
                .Select(tensor => tensor.Name == "encoder.layer.0.mlp.fc1.weight" ? tensor with { Shape = [64, 256] } : tensor)
                .Append(new TensorInfo("embeddings.mask_token", DType.F32, [1, 64]))
                .Append(new TensorInfo("head.weight", DType.F32, [1000, 64])),
            new() { ["layernorm.bias"] = "F64", ["steps"] = "I64" });

        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => CheckpointBinding.Bind(source, Expected));

        Assert.Equal(
            "The checkpoint 'listed' does not fit the model: "
            + "2 tensors missing ('embeddings.cls_token', 'encoder.layer.1.norm1.bias'); "
            + "3 tensors that the model does not have ('embeddings.mask_token', 'head.weight', 'steps'); "
            + "1 tensor of another shape ('encoder.layer.0.mlp.fc1.weight' is [64, 256], expected [256, 64]); "
            + "1 tensor of a type other than F32, F16 and BF16 ('layernorm.bias' is F64). "
            + "Check that its config belongs to these weights.",
            exception.Message);
    }

    [Fact]
    public void A_surplus_tensor_inside_the_prefix_is_an_error()
    {
        using var source = new ListedTensors(
        [
            .. Expected.Select(tensor => tensor with { Name = "backbone." + tensor.Name }),
            new("backbone.encoder.layer.3.norm1.bias", DType.F32, [64]),
        ]);

        AssertRefused(source, "1 tensor that the model does not have ('backbone.encoder.layer.3.norm1.bias')");
    }

    [Fact]
    public void A_missing_tensor_is_named_as_the_file_would_name_it()
    {
        using var source = new ListedTensors(Expected.Skip(1).Select(tensor => tensor with { Name = "backbone." + tensor.Name }));

        AssertRefused(source, "1 tensor missing ('backbone.embeddings.cls_token')");
    }

    [Fact]
    public void Biases_are_surplus_where_the_config_has_none()
    {
        using var source = new ListedTensors(Expected);
        IReadOnlyList<TensorInfo> withoutBias = HuggingFaceNames.EncoderTensors(Tiny with { QkvBias = false });
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => CheckpointBinding.Bind(source, withoutBias));

        Assert.Contains("9 tensors that the model does not have", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Long_lists_are_cut()
    {
        using var source = new ListedTensors(Expected.Take(4));

        AssertRefused(source, $"{Expected.Count - 4} tensors missing", $"and {Expected.Count - 4 - 12} more");
    }

    [Fact]
    public void A_checkpoint_of_something_else_lists_what_is_missing_and_what_it_holds()
    {
        using var source = new ListedTensors([new("bert.pooler.dense.weight", DType.F32, [4, 4])]);

        AssertRefused(source, $"{Expected.Count} tensors missing", "'bert.pooler.dense.weight'");
    }

    [Fact]
    public void Two_whole_encoders_are_ambiguous()
    {
        using var source = new ListedTensors(
            new[] { "student.", "teacher." }.SelectMany(prefix => Expected.Select(tensor => tensor with { Name = prefix + tensor.Name })));

        AssertRefused(source, "2 whole encoders", "'student.', 'teacher.'");
    }

    [Fact]
    public void One_tensor_under_two_spellings_is_surplus()
    {
        using var source = new ListedTensors([.. Expected, new("layers.0.norm1.bias", DType.F32, [64])]);

        AssertRefused(source, "1 tensor that the model does not have ('layers.0.norm1.bias')");
    }

    [Fact]
    public void A_name_of_a_million_dots_costs_neither_time_nor_memory()
    {
        using var source = new ListedTensors([.. Expected, new(new string('.', 1_000_000), DType.F32, [1])]);

        long before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefused(source, "1 tensor that the model does not have");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4_000_000);
    }

    private static void AssertRefused(ITensorSource source, params ReadOnlySpan<string> sentences)
    {
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => CheckpointBinding.Bind(source, Expected));
        foreach (string sentence in sentences)
            Assert.Contains(sentence, exception.Message, StringComparison.Ordinal);
    }

    /// <summary>Names and shapes without values.</summary>
    private sealed class ListedTensors(IEnumerable<TensorInfo> tensors, Dictionary<string, string>? unsupported = null) : ITensorSource
    {
        public string Description => "listed";

        public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } = tensors.ToDictionary(tensor => tensor.Name);

        public IReadOnlyDictionary<string, string> UnsupportedTensors { get; } = unsupported ?? [];

        public bool IsRandom => false;

        public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination) => Assert.Fail("Binding reads no values.");

        public void Dispose()
        {
            // Nothing is held open.
        }
    }
}
