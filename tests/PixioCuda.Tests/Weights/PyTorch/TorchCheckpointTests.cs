using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights.PyTorch;

/// <summary>What is in a PyTorch checkpoint is read, wherever it lies in its storage and however the archive holds it.</summary>
public sealed class TorchCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<bool, bool, int> Styles => new()
    {
        { false, false, 2 }, { true, false, 2 }, { false, true, 2 }, { true, true, 4 }, { false, false, 3 }, { false, false, 4 },
        { false, false, 5 },
    };

    [Fact]
    public void The_shipped_file_holds_the_original_names_and_the_values_of_the_safetensors_file()
    {
        Dictionary<string, StoredTensor> expected = MinimalSafetensors.Read(TestData.Path("tiny", "model.safetensors"));
        using ITensorSource source = Checkpoint.Open(TestData.Path("tiny", "pixio_tiny.pth"));

        Assert.Equal(42, source.Tensors.Count);
        Assert.Equal([192, 64], source.Tensors["blocks.1.attn.qkv.weight"].Shape);
        string layer = "encoder.layer.1.attention.attention.";
        Assert.Equal(
            [.. expected[layer + "query.weight"].Bytes, .. expected[layer + "key.weight"].Bytes, .. expected[layer + "value.weight"].Bytes],
            ReadAll(source, "blocks.1.attn.qkv.weight"));
        Assert.Equal(expected["embeddings.patch_embeddings.projection.weight"].Bytes, ReadAll(source, "patch_embed.proj.weight"));
        Assert.Equal(expected["layernorm.bias"].Bytes, ReadAll(source, "norm.bias"));
    }

    [Theory]
    [MemberData(nameof(Styles))]
    public void Stored_deflated_and_zip64_archives_and_every_protocol_hold_the_same(bool deflate, bool zip64, int protocol)
    {
        TorchBytesTensor[] tensors = [.. ManyShapes()];
        ZipStyle style = new() { Deflate = deflate, Zip64 = zip64, Comment = deflate ? "a comment" : "" };
        using ITensorSource source = Open(TorchBytes.File(tensors, style, protocol));

        AssertHolds(tensors, source);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Strides_offsets_and_shared_storages_are_followed_from_any_byte_on(bool deflate)
    {
        TorchBytesTensor[] tensors = [.. Views()];
        using ITensorSource source = Open(TorchBytes.File(tensors, new ZipStyle { Deflate = deflate }));
        AssertHolds(tensors, source);

        Random random = new(5);
        foreach (TorchBytesTensor tensor in tensors)
        {
            byte[] expected = TorchBytes.Elements(tensor);
            for (int i = 0; i < 20; i++)
            {
                int first = random.Next(expected.Length + 1), count = random.Next(expected.Length - first + 1);
                byte[] part = new byte[count];
                source.ReadBytes(source.Tensors[tensor.Name], first, part);
                Assert.True(expected.AsSpan(first, count).SequenceEqual(part), $"{tensor.Name}, {count} bytes from {first}");
            }
        }
    }

    [Fact]
    public void A_transposed_tensor_larger_than_a_window_is_read_right()
    {
        const int rows = 1500, columns = 1100;
        byte[] storage = TorchBytes.Ramp(4 * rows * columns);
        Assert.True(storage.Length > 1 << 22);
        TorchBytesTensor transposed = new("w", "FloatStorage", "0", storage, 0, [columns, rows], [1, columns]);
        using ITensorSource source = Open(TorchBytes.File([transposed]));

        AssertHolds([transposed], source);
    }

    [Fact]
    public void Deflated_tensors_can_be_read_in_any_order_on_several_threads()
    {
        TorchBytesTensor[] tensors = [.. Enumerable.Range(0, 30).Select(i =>
            new TorchBytesTensor($"t{i}", "FloatStorage", $"{i}", TorchBytes.Ramp(40_000 + 4 * i), 0, [10_000 + i], [1]))];
        using ITensorSource source = Open(TorchBytes.File(tensors, new ZipStyle { Deflate = true }));

        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, worker =>
        {
            Random random = new(worker);
            byte[] part = new byte[3000];
            for (int i = 0; i < 300; i++)
            {
                TorchBytesTensor tensor = tensors[random.Next(tensors.Length)];
                int first = random.Next(tensor.StorageBytes.Length - part.Length);
                source.ReadBytes(source.Tensors[tensor.Name], first, part);
                Assert.True(tensor.StorageBytes.AsSpan(first, part.Length).SequenceEqual(part), $"{tensor.Name} from {first}");
            }
        });
    }

    [Fact]
    public void Other_element_types_are_told_and_do_not_disturb()
    {
        TorchBytesTensor[] tensors =
        [
            new("a", "HalfStorage", "0", TorchBytes.Ramp(8), 0, [4], [1]),
            new("b", "BFloat16Storage", "1", TorchBytes.Ramp(8), 0, [4], [1]),
            new("steps", "LongStorage", "2", TorchBytes.Ramp(8), 0, [], []),
            new("wide", "DoubleStorage", "3", TorchBytes.Ramp(16), 0, [2], [1]),
            new("mask", "BoolStorage", "4", TorchBytes.Ramp(4), 0, [4], [1]),
        ];
        using ITensorSource source = Open(TorchBytes.File(tensors));

        Assert.Equal([("a", DType.F16), ("b", DType.BF16)], source.Tensors.Values.Select(tensor => (tensor.Name, tensor.DType)));
        Assert.Equal(new Dictionary<string, string> { ["steps"] = "I64", ["wide"] = "F64", ["mask"] = "BOOL" }, source.UnsupportedTensors);
    }

    [Fact]
    public void A_parameter_is_its_tensor()
    {
        TorchBytesTensor tensor = TorchBytes.Contiguous("w", "0", [3], [1, 2, 3]);
        byte[] pickle = new PickleBytes().Op('}').Text("w").Global("torch._utils", "_rebuild_parameter").Mark()
            .Tensor("FloatStorage", "0", 3, 0, [3], [1]).Raw(0x88).OrderedDict().Op('t').Op('R').Op('s').Stop();
        using ITensorSource source = Open(TorchBytes.File(pickle, [tensor]));

        AssertHolds([tensor], source);
    }

    [Theory]
    [InlineData("model")]
    [InlineData("state_dict")]
    [InlineData("weights_of_the_student")]
    [InlineData("state_dict", "model")]
    public void A_state_dict_within_a_training_checkpoint_is_found(params string[] keys)
    {
        TorchBytesTensor[] tensors = [TorchBytes.Contiguous("w", "0", [3], [1, 2, 3])];
        using ITensorSource source = Open(TorchBytes.File(tensors, keys: keys));

        AssertHolds(tensors, source);
    }

    [Fact]
    public void The_state_of_an_optimizer_beside_the_model_is_left_alone()
    {
        TorchBytesTensor model = TorchBytes.Contiguous("w", "0", [3], [1, 2, 3]), moments = TorchBytes.Contiguous("m", "1", [3], [4, 5, 6]);
        byte[] pickle = new PickleBytes().Op('}').Mark()
            .Text("optimizer").Op('}').Text("w").Tensor("FloatStorage", "1", 3, 0, [3], [1]).Op('s')
            .Text("model").Op('}').Text("w").Tensor("FloatStorage", "0", 3, 0, [3], [1]).Op('s')
            .Text("seed").Long(ulong.MaxValue).Text("betas").Mark().Float(0.9).Float(0.95).Raw(0x86).Op('N').Op('t')
            .Text("groups").Op(']').Int(1).Op('a').Mark().Int(-7).Int(70_000).Op('e').Op('u').Stop();
        using ITensorSource source = Open(TorchBytes.File(pickle, [model, moments]));

        AssertHolds([model], source);
    }

    private static IEnumerable<TorchBytesTensor> ManyShapes()
    {
        long[][] shapes = [[], [1], [7], [3, 5], [2, 1, 4], [0, 9], [300, 200]];
        for (int i = 0; i < shapes.Length; i++)
        {
            int count = (int)shapes[i].Aggregate(1L, (product, dimension) => product * dimension);
            yield return new($"t{i}", i % 2 == 0 ? "FloatStorage" : "HalfStorage", $"{i}", TorchBytes.Ramp(count * (i % 2 == 0 ? 4 : 2)), 0,
                shapes[i], TorchBytes.RowMajor(shapes[i]));
        }
    }

    /// <summary>Views of two storages.</summary>
    private static IEnumerable<TorchBytesTensor> Views()
    {
        byte[] floats = TorchBytes.Ramp(4 * 360), halves = TorchBytes.Ramp(2 * 64);
        yield return Float("row-major", 0, [6, 60], [60, 1]);
        yield return Float("offset", 61, [4, 60], [60, 1]);
        yield return Float("transposed", 0, [60, 6], [1, 60]);
        yield return Float("channels-last", 0, [4, 5, 3, 6], [90, 1, 30, 5]);
        yield return Float("every-third", 2, [119], [3]);
        yield return Float("repeated", 5, [4, 3, 7], [0, 7, 1]);
        yield return Float("one", 359, [1, 1], [77, 99]);
        yield return Float("none", 7, [3, 0], [1, 1]);
        yield return Float("scalar", 8, [], []);
        yield return Half("overlapping", 1, [10, 9], [5, 2]);
        yield return Half("transposed-half", 0, [8, 8], [1, 8]);

        TorchBytesTensor Float(string name, long offset, long[] shape, long[] strides) =>
            new(name, "FloatStorage", "0", floats, offset, shape, strides);
        TorchBytesTensor Half(string name, long offset, long[] shape, long[] strides) =>
            new(name, "BFloat16Storage", "1", halves, offset, shape, strides);
    }

    private ITensorSource Open(byte[] file) => Checkpoint.Open(_folder.Write("weights.pth", file));

    private static void AssertHolds(IReadOnlyList<TorchBytesTensor> tensors, ITensorSource source)
    {
        Assert.Equal(tensors.Select(tensor => tensor.Name), source.Tensors.Keys);
        foreach (TorchBytesTensor tensor in tensors)
        {
            Assert.Equal(tensor.Shape, source.Tensors[tensor.Name].Shape);
            Assert.True(TorchBytes.Elements(tensor).AsSpan().SequenceEqual(ReadAll(source, tensor.Name)), tensor.Name);
        }
    }

    private static byte[] ReadAll(ITensorSource source, string name)
    {
        byte[] bytes = new byte[source.Tensors[name].ByteCount()];
        source.ReadBytes(source.Tensors[name], 0, bytes);
        return bytes;
    }
}
