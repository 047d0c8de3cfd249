using System.Buffers.Binary;
using System.Text;
using PixioCuda.Weights;
using Xunit;
using static PixioCuda.Tests.Weights.SafetensorsBytes;

namespace PixioCuda.Tests.Weights;

/// <summary>Each rule of the format, broken once.</summary>
public sealed class SafetensorsHeaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    public void A_file_without_room_for_the_headers_length(int length)
        => AssertRefused(new byte[length], $"has {length} bytes, too few");

    [Theory]
    [InlineData(100_000_001UL)]
    [InlineData(1UL << 32)]
    [InlineData(1UL << 63)]
    [InlineData(ulong.MaxValue)]
    public void A_header_longer_than_the_format_allows(ulong length)
    {
        byte[] file = File("{}");
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);

        AssertRefused(file, $"claims a header of {length} bytes", "100000000");
    }

    [Theory]
    [InlineData(3)]
    [InlineData(100_000_000)]
    public void A_header_that_ends_beyond_the_file(long length)
    {
        byte[] file = File("{}");
        BinaryPrimitives.WriteInt64LittleEndian(file, length);

        AssertRefused(file, $"claims a header of {length} bytes", "truncated");
    }

    [Fact]
    public void A_header_that_is_not_utf8()
        => AssertRefused(File([(byte)'{', (byte)'"', 0xC3, 0x28, (byte)'"', (byte)'}']), "not valid UTF-8");

    [Theory]
    [InlineData("")]
    [InlineData(" {}")]
    [InlineData("[]")]
    [InlineData("\u0000{}")]
    public void A_header_that_does_not_start_with_a_brace(string header) => AssertRefused(File(header), "does not start with '{'");

    [Theory]
    [InlineData("{")]
    [InlineData("{}x")]
    [InlineData("{}{}")]
    [InlineData("{} \u0000")]
    [InlineData("{\"a\":}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",}}")]
    [InlineData("{/* no comments */}")]
    [InlineData("{\"\\ud800\":{}}")]
    public void A_header_that_is_not_json(string header) => AssertRefused(File(header), "not valid JSON");

    [Fact]
    public void A_header_nested_without_end() => AssertRefused(File("{\"a\":{\"b\":" + new string('[', 100_000)), "not valid JSON");

    [Fact]
    public void Two_tensors_of_one_name()
        => AssertRefused(File($"{{{Tensor("a", "F32", "1", 0, 4)},{Tensor("a", "F32", "1", 4, 8)}}}", 8), "the name 'a' twice");

    [Fact]
    public void Two_tensors_of_one_name_spelt_differently()
        => AssertRefused(File($"{{{Tensor("a", "F32", "1", 0, 4)},{Tensor("\\u0061", "F32", "1", 4, 8)}}}", 8), "the name 'a' twice");

    [Fact]
    public void Two_metadata() => AssertRefused(File("""{"__metadata__":{},"__metadata__":{}}"""), "'__metadata__' twice");

    [Theory]
    [InlineData("dtype", "\"F32\"")]
    [InlineData("shape", "[1]")]
    [InlineData("data_offsets", "[0,4]")]
    [InlineData("note", "1")]
    public void A_key_of_a_tensor_twice(string key, string value)
    {
        string header = $$$"""{"a":{"note":1,"dtype":"F32","shape":[1],"data_offsets":[0,4],"{{{key}}}":{{{value}}}}}""";
        AssertRefused(File(header, 4), "tensor 'a'", $"key '{key}' twice");
    }

    [Theory]
    [InlineData("""{"__metadata__":[]}""", "an array instead of an object")]
    [InlineData("""{"__metadata__":null}""", "null instead of an object")]
    [InlineData("""{"__metadata__":{"k":1}}""", "a number instead of a string under 'k'")]
    [InlineData("""{"__metadata__":{"k":{"k":"v"}}}""", "an object instead of a string under 'k'")]
    [InlineData("""{"__metadata__":{"k":"v","k":"v"}}""", "the key 'k' twice")]
    public void Metadata_that_is_not_strings(string header, string sentence) => AssertRefused(File(header), "__metadata__", sentence);

    [Theory]
    [InlineData("\"F32\"", "a string")]
    [InlineData("7", "a number")]
    [InlineData("[]", "an array")]
    [InlineData("true", "a truth value")]
    public void A_tensor_that_is_not_an_object(string value, string kind)
        => AssertRefused(File($$"""{"a":{{value}}}"""), "tensor 'a'", $"{kind} instead of an object");

    [Theory]
    [InlineData("dtype")]
    [InlineData("shape")]
    [InlineData("data_offsets")]
    public void A_tensor_without_one_of_its_keys(string key)
        => AssertRefused(File(File4().Replace($"\"{key}\"", "\"other\"", StringComparison.Ordinal), 4), "tensor 'a'", $"has no {key}");

    [Theory]
    [InlineData("f32")]
    [InlineData("F128")]
    [InlineData("")]
    public void An_unknown_dtype(string dtype)
        => AssertRefused(File($"{{{Tensor("a", dtype, "1", 0, 4)}}}", 4), "tensor 'a'", $"the dtype '{dtype}'");

    [Fact]
    public void A_dtype_that_is_not_a_string() => AssertRefused(File("""{"a":{"dtype":32}}"""), "tensor 'a'", "a number", "dtype");

    [Theory]
    [InlineData("-1")]
    [InlineData("-0")]
    [InlineData("1.0")]
    [InlineData("1e0")]
    [InlineData("\"1\"")]
    [InlineData("null")]
    [InlineData("[1]")]
    [InlineData("9223372036854775808")]
    [InlineData("99999999999999999999999999")]
    public void A_dimension_that_is_not_a_non_negative_integer(string dimension)
        => AssertRefused(File($"{{{Tensor("a", "F32", dimension, 0, 4)}}}", 4), "tensor 'a'", "shape", "non-negative integers");

    [Theory]
    [InlineData("[0]")]
    [InlineData("[0,4,4]")]
    [InlineData("[-4,0]")]
    [InlineData("[0,4.0]")]
    [InlineData("4")]
    [InlineData("{\"begin\":0,\"end\":4}")]
    public void Offsets_that_are_not_two_non_negative_integers(string offsets)
        => AssertRefused(File($$$"""{"a":{"dtype":"F32","shape":[1],"data_offsets":{{{offsets}}}}}""", 4), "tensor 'a'", "data_offsets");

    [Theory]
    [InlineData("4294967296,4294967296")]
    [InlineData("9223372036854775807,2")]
    [InlineData("9223372036854775807,9223372036854775807,0")]
    public void A_shape_whose_product_overflows(string shape)
        => AssertRefused(File($"{{{Tensor("a", "F32", shape, 0, 0)}}}"), "tensor 'a'", "overflows");

    [Fact]
    public void A_shape_whose_bytes_overflow()
        => AssertRefused(File($"{{{Tensor("a", "F64", "4611686018427387904", 0, 0)}}}"), "tensor 'a'", "36893488147419103232 bytes");

    [Theory]
    [InlineData("1", 8)]
    [InlineData("2", 4)]
    [InlineData("", 0)]
    [InlineData("0", 4)]
    public void A_span_that_is_not_of_the_shapes_size(string shape, int span)
        => AssertRefused(File($"{{{Tensor("a", "F32", shape, 0, span)}}}", span), "tensor 'a'", $"its span is {span} bytes");

    [Fact]
    public void Half_a_byte() => AssertRefused(File($"{{{Tensor("a", "F4", "3", 0, 2)}}}", 2), "tensor 'a'", "whole number of bytes");

    [Fact]
    public void A_tensor_that_ends_before_it_begins()
        => AssertRefused(File($"{{{Tensor("a", "F32", "1", 4, 0)}}}", 4), "tensor 'a'", "ends before it begins");

    [Fact]
    public void A_tensor_that_overlaps_another()
        => AssertRefused(
            File($"{{{Tensor("a", "F32", "2", 0, 8)},{Tensor("b", "F32", "2", 4, 12)}}}", 12), "tensor 'b'", "overlaps the tensor 'a'");

    [Fact]
    public void Two_tensors_in_one_place()
        => AssertRefused(File($"{{{Tensor("a", "F32", "1", 0, 4)},{Tensor("b", "F32", "1", 0, 4)}}}", 4), "overlaps");

    [Fact]
    public void A_hole_between_tensors()
        => AssertRefused(
            File($"{{{Tensor("a", "F32", "1", 0, 4)},{Tensor("b", "F32", "1", 8, 12)}}}", 12), "tensor 'b'", "bytes from 4 to 8");

    [Fact]
    public void A_hole_before_the_first_tensor()
        => AssertRefused(File($"{{{Tensor("a", "F32", "1", 4, 8)}}}", 8), "tensor 'a'", "bytes from 0 to 4");

    [Fact]
    public void Bytes_after_the_last_tensor()
        => AssertRefused(File($"{{{Tensor("a", "F32", "1", 0, 4)}}}", 5), "describes 4 bytes", "5 bytes follow");

    [Fact]
    public void A_file_that_was_cut_short()
        => AssertRefused(File($"{{{Tensor("a", "F32", "1", 0, 4)},{Tensor("b", "F32", "2", 4, 12)}}}", 11), "tensor 'b'", "truncated");

    [Fact]
    public void A_tensor_of_exabytes()
        => AssertRefused(
            File($"{{{Tensor("a", "U8", "9223372036854775807", 0, long.MaxValue)}}}", 4), "tensor 'a'", "beyond the end of the file");

    [Fact]
    public void A_message_shortens_long_names_and_hides_control_characters()
    {
        string name = "\\u001b[31m" + new string('n', 5000);
        string message = AssertRefused(File($"{{{Tensor(name, "F32", "1", 0, 8)}}}", 8), "\uFFFD[31mnnn", "...");

        Assert.True(message.Length < 1000);
        Assert.DoesNotContain('\u001b', message);
    }

    [Theory]
    [InlineData("{}", 0)]
    [InlineData("{}       \n\t\r ", 0)]
    [InlineData("""{"__metadata__":{}}""", 0)]
    [InlineData("""{"a":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}}""", 4)]
    [InlineData("""{"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}""", 0)]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"note":{"any":[1,2]}}}""", 4)]
    public void Rare_but_legal_headers_load(string header, int dataLength)
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("model.safetensors", File(header, dataLength)));

        Assert.Equal(dataLength, file.Tensors.Values.Sum(tensor => tensor.ElementCount * 4));
    }

    [Fact]
    public void Every_dtype_of_the_format_is_sized()
    {
        StringBuilder header = new("{");
        int end = 0;
        foreach (string dtype in MinimalSafetensors.DTypes)
        {
            int bytes = MinimalSafetensors.BitsOf(dtype);
            header.Append(header.Length == 1 ? "" : ",").Append(Tensor(dtype, dtype, "4,2", end, end + bytes));
            end += bytes;
        }

        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("model.safetensors", File(header.Append('}').ToString(), end)));

        Assert.Equal(["BF16", "F16", "F32"], file.Tensors.Keys.Order());
        Assert.Equal(MinimalSafetensors.DTypes.Except(["BF16", "F16", "F32"]).Order(), file.UnsupportedTensors.Keys.Order());
        Assert.All(file.UnsupportedTensors, pair => Assert.Equal(pair.Key, pair.Value));
    }

    [Fact]
    public void Random_legal_headers_load_with_every_tensor_where_it_is()
    {
        var random = new Random(7);
        for (int round = 0; round < 300; round++)
        {
            byte[] bytes = RandomFile(random);
            Dictionary<string, StoredTensor> expected = MinimalSafetensors.TryRead(bytes)!;
            using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("model.safetensors", bytes));

            Assert.Equal(expected.Keys.Order(), file.Tensors.Keys.Concat(file.UnsupportedTensors.Keys).Order());
            foreach (TensorInfo tensor in file.Tensors.Values)
            {
                byte[] stored = new byte[expected[tensor.Name].Bytes.Length];
                file.ReadBytes(tensor, 0, stored);
                Assert.Equal(expected[tensor.Name].Shape, tensor.Shape);
                Assert.Equal(expected[tensor.Name].DType, tensor.DType.ToString());
                Assert.Equal(expected[tensor.Name].Bytes, stored);
            }
        }
    }

    private static byte[] RandomFile(Random random)
    {
        string[] dtypes = [.. MinimalSafetensors.DTypes, "F32", "F32", "F16", "BF16"];
        List<string> entries = [];
        int end = 0;
        for (int i = random.Next(12); i > 0; i--)
        {
            string dtype = dtypes[random.Next(dtypes.Length)];
            // The last dimension makes whole bytes of the types of 4 and 6 bits.
            int[] shape = [.. Enumerable.Range(0, random.Next(4)).Select(_ => random.Next(4)), 4 * random.Next(3)];
            int bytes = shape.Aggregate(1, (product, n) => product * n) * MinimalSafetensors.BitsOf(dtype) / 8;
            entries.Add(Tensor($"tensor \u00e9\\n{i}", dtype, string.Join(" , ", shape), end, end + bytes));
            end += bytes;
        }

        if (random.Next(2) == 0)
            entries.Add("""  "__metadata__" : {"format":"pt", "\u00fc":""}""");
        string[] shuffled = [.. entries];
        random.Shuffle(shuffled);
        return File("{" + string.Join(",\n", shuffled) + "}" + new string(' ', random.Next(20)), end);
    }

    private static string File4() => $"{{{Tensor("a", "F32", "1", 0, 4)}}}";

    private string AssertRefused(byte[] content, params ReadOnlySpan<string> sentences)
    {
        Assert.Null(MinimalSafetensors.TryRead(content));
        string path = _folder.Write("broken.safetensors", content);
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(path));
        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
        foreach (string sentence in sentences)
            Assert.Contains(sentence, exception.Message, StringComparison.Ordinal);
        return exception.Message;
    }
}
