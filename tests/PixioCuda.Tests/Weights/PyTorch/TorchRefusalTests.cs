using System.Buffers.Binary;
using System.Text;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights.PyTorch;

/// <summary>What is refused, and with which sentence. Nothing of a file is ever run, whatever it asks for.</summary>
public sealed class TorchRefusalTests : IDisposable
{
    private static readonly TorchBytesTensor One = TorchBytes.Contiguous("w", "0", [3], [1, 2, 3]);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("os", "system")]
    [InlineData("builtins", "eval")]
    [InlineData("argparse", "Namespace")]
    [InlineData("numpy.core.multiarray", "scalar")]
    [InlineData("torch", "load")]
    [InlineData("torch.nn.modules.linear", "Linear")]
    [InlineData("collections", "OrderedDict.fromkeys")]
    public void What_a_state_dict_does_not_need_is_refused_by_its_name(string module, string name)
    {
        foreach (int protocol in new[] { 2, 4 })
        {
            byte[] pickle = new PickleBytes(protocol).Global(module, name).Mark().Text("touch /tmp/owned").Op('t').Op('R').Stop();
            AssertRefused(TorchBytes.File(pickle), $"'{module}.{name}'", "nothing of the file was run");
        }
    }

    public static TheoryData<string, byte[], string> BadPickles => new()
    {
        { "empty", [], "ends within an instruction" },
        { "protocol 1", [0x80, 1, (byte)'N', (byte)'.'], "protocol 1" },
        { "protocol 6", [0x80, 6, (byte)'N', (byte)'.'], "protocol 6" },
        { "an object of any class", new PickleBytes().OrderedDict().Op(')').Raw(0x81).Stop(), "instruction 0x81" },
        { "an instance", new PickleBytes().Op('i').Stop(), "instruction 0x69" },
        { "bytes", new PickleBytes().Op('C').Raw(1, 7).Stop(), "instruction 0x43" },
        { "nothing on the stack", new PickleBytes().Stop(), "other than one value" },
        { "two values", new PickleBytes().Int(1).Int(2).Stop(), "other than one value" },
        { "an open mark", new PickleBytes().Mark().Int(1).Stop(), "other than one value" },
        { "no mark", new PickleBytes().Int(1).Op('t').Stop(), "not there" },
        { "a pop below the mark", new PickleBytes().Op('}').Int(1).Mark().Int(2).Op('s').Stop(), "not there" },
        { "a tuple below the mark", new PickleBytes().Int(1).Mark().Int(2).Raw(0x86).Stop(), "not there" },
        { "an odd dict", new PickleBytes().Op('}').Mark().Int(2).Op('u').Stop(), "without a value" },
        { "an item of a number", new PickleBytes().Int(1).Int(2).Int(3).Op('s').Stop(), "something that it is not" },
        { "an item of None", new PickleBytes().Op('N').Int(2).Int(3).Op('s').Stop(), "something that it is not" },
        { "an unknown memory", new PickleBytes().Op('h').Raw(9).Stop(), "refers to value 9" },
        { "text that is cut off", new PickleBytes().Op('X').Raw(255, 255, 255, 255, 65).Stop(), "ends within" },
        { "text that is no UTF-8", new PickleBytes().Op('X').Raw(1, 0, 0, 0, 0xFF).Stop(), "not valid UTF-8" },
        { "attributes of a number", new PickleBytes().Int(1).Op('}').Op('b').Stop(), "gives attributes" },
        { "a call of a number", new PickleBytes().Int(1).Op(')').Op('R').Stop(), "something that it is not" },
        { "a call without arguments", new PickleBytes().Global("torch._utils", "_rebuild_tensor_v2").Op(')').Op('R').Stop(), "arguments" },
        { "a call of a storage", new PickleBytes().Global("torch", "FloatStorage").Op(')').Op('R').Stop(), "arguments" },
        { "another reference", new PickleBytes().Mark().Text("module").Op('t').Op('Q').Stop(), "refers to data outside" },
        { "a number", new PickleBytes().Int(7).Stop(), "it is no dict" },
        { "an empty dict", new PickleBytes().Op('}').Stop(), "its keys are none" },
        { "a dict of numbers", new PickleBytes().Op('}').Text("epoch").Int(7).Op('s').Stop(), "'epoch'" },
        { "an endless list", Repeated(1_000_001), "more than 1000000 instructions" },
    };

    [Theory]
    [MemberData(nameof(BadPickles))]
    public void A_damaged_pickle_is_refused(string what, byte[] pickle, string sentence)
    {
        Assert.NotEmpty(what);
        AssertRefused(TorchBytes.File(pickle), sentence);
    }

    public static TheoryData<long, long[], long[], string> BadTensors => new()
    {
        { 1, [3], [1], "beyond the 3 elements" },
        { 0, [2, 2], [2, 1], "beyond the 3 elements" },
        { 0, [2], [long.MaxValue], "beyond the 3 elements" },
        { long.MaxValue, [3, 3], [long.MaxValue, long.MaxValue], "beyond the 3 elements" },
        { 0, [3], [-1], "cannot be" },
        { -1, [3], [1], "cannot be" },
        { 0, [-3], [1], "cannot be" },
        { 0, [3], [1, 1], "cannot be" },
        { 0, [1L << 40, 1L << 40], [0, 0], "no model has" },
        { 0, [1L << 43], [0], "no model has" },
    };

    [Theory]
    [MemberData(nameof(BadTensors))]
    public void A_tensor_that_does_not_lie_in_its_storage_is_refused(long offset, long[] shape, long[] strides, string sentence) =>
        AssertRefused(TorchBytes.File([One with { Offset = offset, Shape = shape, Strides = strides }]), sentence);

    [Fact]
    public void A_storage_must_be_there_whole_and_of_one_kind()
    {
        byte[] pickle = TorchBytes.Pickle([One]);
        AssertRefused(TorchBytes.File(pickle), "'archive/data/0' is missing");
        AssertRefused(TorchBytes.File(pickle, [One with { StorageBytes = new byte[8] }]), "8 bytes", "3 elements of F32 take 12");
        AssertRefused(TorchBytes.File(pickle, [One with { StorageBytes = new byte[13] }]), "13 bytes");
        byte[] twoKinds = new PickleBytes().Op('}')
            .Text("a").Tensor("FloatStorage", "0", 3, 0, [3], [1]).Op('s')
            .Text("b").Tensor("HalfStorage", "0", 6, 0, [3], [1]).Op('s').Stop();
        AssertRefused(TorchBytes.File(twoKinds, [One]), "'0' in two ways");
        // A key is looked up among the entries, and leads nowhere else.
        AssertRefused(TorchBytes.File(TorchBytes.Pickle([One with { Key = "../../../etc/passwd" }])), "etc/passwd' is missing");
    }

    [Fact]
    public void Two_state_dicts_or_one_name_twice_are_no_choice_to_make()
    {
        PickleBytes twoModels = new PickleBytes().Op('}');
        foreach (string key in new[] { "student", "teacher" })
            twoModels.Text(key).Op('}').Text("w").Tensor("FloatStorage", "0", 3, 0, [3], [1]).Op('s').Op('s');
        AssertRefused(TorchBytes.File(twoModels.Stop(), [One]), "'student', 'teacher'", "several state dicts");
        AssertRefused(TorchBytes.File([One, One]), "'w' twice");
    }

    [Fact]
    public void One_dict_that_is_named_a_hundred_thousand_times_costs_no_more_than_once()
    {
        PickleBytes pickle = new PickleBytes().Op('}').Op('}').Raw((byte)'q', 255).Mark();
        for (int i = 0; i < 100_000; i++)
            pickle.Int(i).Op('N');
        // The dict of numbers as a key, and then as a value again and again.
        pickle.Op('u').Op('N').Op('s').Mark();
        for (int i = 0; i < 100_000; i++)
            pickle.Raw((byte)'X', 1, 0, 0, 0, (byte)'k').Raw((byte)'h', 255);
        AssertRefused(TorchBytes.File(pickle.Op('u').Stop()), "holds no state dict", "'k', 'k'");
    }

    [Fact]
    public void Archives_of_something_else_are_told_apart()
    {
        AssertRefused(ZipBytes.Write([("a.txt", [1])]), "no PyTorch checkpoint", "'data.pkl'");
        AssertRefused(ZipBytes.Write([("a/data.pkl", [1]), ("b/data.pkl", [1])]), "2 entries");
        AssertRefused(ZipBytes.Write([("a/data.pkl", [1]), ("a/constants.pkl", [1])]), "TorchScript");
        foreach (string order in new[] { "big", "middle" })
            AssertRefused(ZipBytes.Write([("a/data.pkl", [1]), ("a/byteorder", Encoding.ASCII.GetBytes(order))]), "byte order");
    }

    [Fact]
    public void Files_of_something_else_are_told_apart()
    {
        AssertRefused([0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.'], "before PyTorch 1.6");
        AssertRefused(Encoding.ASCII.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:00"), "git lfs pull");
        AssertRefused(Encoding.ASCII.GetBytes("<!doctype html><html>Sign in</html>"), "web page");
        AssertRefused([], "0 bytes");
        // A safetensors file whose header happens to have the length that a zip archive begins with stays one.
        AssertRefused([.. "PK\x3\x4\0\0\0\0{"u8], "not a valid safetensors file");
    }

    public static TheoryData<string, string> BadArchives => new()
    {
        { "cut short", "cut short" },
        { "cut in the directory", "cut short" },
        { "encrypted", "is encrypted" },
        { "method 12", "method 12" },
        { "stored sizes differ", "claims to have" },
        { "entry outside", "outside of the file" },
        { "directory outside", "does not lie inside" },
        { "too many entries", "cannot hold the" },
        { "too few entries", "bytes more than its" },
        { "several parts", "several parts" },
        { "other name", "not where the directory says" },
        { "huge directory", "more than the 16777216" },
        { "no zip64 records", "zip64 records are missing" },
    };

    [Theory]
    [MemberData(nameof(BadArchives))]
    public void A_damaged_archive_is_refused(string damage, string sentence)
    {
        byte[] file = TorchBytes.File([One]);
        int end = file.Length - 22;
        int directory = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(end + 16));
        switch (damage)
        {
            case "cut short":
                file = file[..^1];
                break;
            case "cut in the directory":
                file = file[..(directory + 10)];
                break;
            case "encrypted":
                file[directory + 8] |= 1;
                break;
            case "method 12":
                file[directory + 10] = 12;
                break;
            case "stored sizes differ":
                file[directory + 24]++;
                break;
            case "entry outside":
                BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(directory + 20), 1_000_000);
                break;
            case "directory outside":
                BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(end + 16), directory + 1);
                break;
            case "too many entries":
                (file[end + 8], file[end + 9], file[end + 10], file[end + 11]) = (0, 0x40, 0, 0x40);
                break;
            case "too few entries":
                (file[end + 8], file[end + 10]) = (1, 1);
                break;
            case "several parts":
                file[end + 4] = 1;
                break;
            case "other name":
                file[30] ^= 1;
                break;
            case "huge directory":
                BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(end + 12), 1 << 25);
                break;
            default:
                BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(end + 16), uint.MaxValue);
                break;
        }

        AssertRefused(file, sentence);
    }

    [Fact]
    public void What_an_entry_claims_to_unfold_to_costs_nothing()
    {
        byte[] file = TorchBytes.File([One], new ZipStyle { Deflate = true });
        int directory = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(file.Length - 22 + 16));
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(directory + 24), 2_000_000_000);

        long before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefused(file, "more than deflate can do");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public void Damaged_or_short_compressed_bytes_are_told_when_they_are_read()
    {
        TorchBytesTensor tensor = new("w", "FloatStorage", "0", TorchBytes.Ramp(40_000), 0, [10_000], [1]);
        byte[] file = TorchBytes.File([tensor], new ZipStyle { Deflate = true });
        int data = file.AsSpan().IndexOf("archive/data/0"u8) + "archive/data/0".Length + 7;
        byte[] damaged = [.. file];
        damaged.AsSpan(data + 20, 200).Fill(0xFF);
        AssertUnreadable(damaged, "cannot be unfolded", "'archive/data/0'");

        // One empty block, and then whatever there was.
        byte[] shortened = [.. file];
        (shortened[data], shortened[data + 1]) = (3, 0);
        AssertUnreadable(shortened, "fewer than the 40000 bytes");
    }

    private void AssertUnreadable(byte[] file, params ReadOnlySpan<string> sentences)
    {
        using ITensorSource source = Checkpoint.Open(_folder.Write("weights.pth", file));
        byte[] bytes = new byte[40_000];
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => source.ReadBytes(source.Tensors["w"], 0, bytes));
        foreach (string sentence in sentences)
            Assert.Contains(sentence, exception.Message, StringComparison.Ordinal);
    }

    private void AssertRefused(byte[] file, params ReadOnlySpan<string> sentences)
    {
        string path = _folder.Write("weights.pth", file);
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path));
        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
        foreach (string sentence in sentences)
            Assert.Contains(sentence, exception.Message, StringComparison.Ordinal);
        // Nothing is left open.
        File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
    }

    private static byte[] Repeated(int count)
    {
        PickleBytes pickle = new PickleBytes().Op(']').Mark();
        for (int i = 0; i < count; i++)
            pickle.Op('N');
        return pickle.Op('e').Stop();
    }
}
