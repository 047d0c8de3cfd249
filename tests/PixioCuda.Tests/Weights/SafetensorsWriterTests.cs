using System.Buffers.Binary;
using System.Text;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_what_two_readers_read()
    {
        var random = new Random(5);
        for (int round = 0; round < 15; round++)
        {
            TensorInfo[] tensors =
            [
                .. Enumerable.Range(0, random.Next(8)).Select(i => new TensorInfo(
                    $"blocks.{i}.\u00e9\"\\\n",
                    (DType)random.Next(3),
                    [.. Enumerable.Range(0, random.Next(4)).Select(_ => (long)random.Next(9))])),
            ];
            Dictionary<string, string> metadata = new() { ["format"] = "pt", ["note"] = "\u4e2d\u6587 \"quoted\"" };
            Dictionary<string, float[]> values = tensors.ToDictionary(
                tensor => tensor.Name,
                tensor => Enumerable.Range(0, (int)tensor.ElementCount).Select(_ => (float)random.Next(-128, 128)).ToArray());
            string path = _folder.File("out.safetensors");
            using (SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors, metadata))
            {
                foreach (TensorInfo tensor in tensors)
                {
                    // In blocks of any size, none included.
                    ReadOnlySpan<float> rest = values[tensor.Name];
                    do
                    {
                        int count = random.Next(rest.Length + 1);
                        writer.Append(tensor.Name, rest[..count]);
                        rest = rest[count..];
                    }
                    while (!rest.IsEmpty);
                }

                writer.Complete();
            }

            Dictionary<string, StoredTensor> independent = MinimalSafetensors.Read(path);
            using SafetensorsFile file = SafetensorsFile.Open(path);
            Assert.Equal(metadata, file.Metadata);
            Assert.Equal(tensors.Length, independent.Count);
            Assert.Equal(tensors.Length, file.Tensors.Count);
            foreach (TensorInfo tensor in tensors)
            {
                float[] read = new float[tensor.ElementCount];
                file.ReadFloats(file.Tensors[tensor.Name], 0, read);
                Assert.Equal(values[tensor.Name], read);
                Assert.Equal(tensor.Shape, independent[tensor.Name].Shape);
                Assert.Equal(tensor.DType.ToString(), independent[tensor.Name].DType);
                Assert.Equal(values[tensor.Name], Decode(independent[tensor.Name]));
            }
        }
    }

    [Fact]
    public void The_tensors_begin_at_a_multiple_of_eight_after_a_header_padded_with_spaces()
    {
        for (int nameLength = 1; nameLength <= 9; nameLength++)
        {
            string path = _folder.File("out.safetensors");
            using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new(new string('n', nameLength), DType.F32, [1])]))
            {
                writer.Append(new string('n', nameLength), [1.5f]);
                writer.Complete();
            }

            byte[] bytes = File.ReadAllBytes(path);
            int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
            Assert.Equal(0, length % 8);
            Assert.Equal(8 + length + 4, bytes.Length);
            Assert.EndsWith("}", Encoding.UTF8.GetString(bytes, 8, length).TrimEnd(' '), StringComparison.Ordinal);
            Assert.Equal(1.5f, BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(8 + length)));
        }
    }

    [Fact]
    public void A_tensor_longer_than_the_conversion_buffer_is_whole()
    {
        float[] values = [.. Enumerable.Range(0, 200_001).Select(i => (float)(i % 251))];
        string path = _folder.File("out.safetensors");
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new("a", DType.BF16, [values.Length])]))
        {
            writer.Append("a", values);
            writer.Complete();
        }

        Assert.Equal(values, Decode(MinimalSafetensors.Read(path)["a"]));
    }

    [Fact]
    public void Until_it_is_complete_an_earlier_file_stays_and_afterwards_nothing_else_is_left()
    {
        string path = _folder.Write("out.safetensors", "before"u8);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new("a", DType.F32, [2])]))
        {
            writer.Append("a", [1]);
            Assert.Equal("before", File.ReadAllText(path));
            Assert.Throws<InvalidOperationException>(writer.Complete);
        }

        Assert.Equal("before", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.Root));

        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new("a", DType.F32, [2])]))
        {
            writer.Append("a", [1, 2]);
            writer.Complete();
        }

        Assert.Equal([1f, 2f], MinimalSafetensors.Read(path)["a"].Floats());
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.Root));
    }

    [Fact]
    public void Values_out_of_turn_or_too_many_are_refused()
    {
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            _folder.File("out"), [new("a", DType.F32, [2]), new("b", DType.F16, [1])]);

        AssertThrows<ArgumentException>("turn of 'a'", () => writer.Append("b", [1]));
        AssertThrows<ArgumentException>("takes 2 more", () => writer.Append("a", [1, 2, 3]));
        writer.Append("a", [1, 2]);
        writer.Append("b", [1]);
        AssertThrows<ArgumentException>("every tensor is complete", () => writer.Append("b", [1]));
    }

    [Fact]
    public void Names_that_cannot_be_written_are_refused()
    {
        AssertThrows<ArgumentException>("'a' is taken", () => Create(new("a", DType.F32, [2]), new("a", DType.F16, [1])));
        AssertThrows<ArgumentException>("'__metadata__' is taken", () => Create(new TensorInfo("__metadata__", DType.F32, [2])));
        AssertThrows<ArgumentException>("negative dimension", () => Create(new TensorInfo("a", DType.F32, [-2, -2])));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Root));

        void Create(params TensorInfo[] tensors) => SafetensorsWriter.Create(_folder.File("out"), tensors).Dispose();
    }

    [Fact]
    public void A_place_that_cannot_be_written_says_so()
    {
        string missing = Path.Combine(_folder.Root, "nowhere", "out.safetensors");

        AssertThrows<DirectoryNotFoundException>(missing, () => SafetensorsWriter.Create(missing, []));
        AssertThrows<IOException>("it is a folder", () => SafetensorsWriter.Create(_folder.Root, []));
    }

    private static void AssertThrows<T>(string sentence, Action action)
        where T : Exception
        => Assert.Contains(sentence, Assert.Throws<T>(action).Message, StringComparison.Ordinal);

    private static float[] Decode(StoredTensor tensor)
    {
        if (tensor.DType == "F32")
            return tensor.Floats();
        float[] values = new float[tensor.Bytes.Length / 2];
        for (int i = 0; i < values.Length; i++)
        {
            ushort bits = BinaryPrimitives.ReadUInt16LittleEndian(tensor.Bytes.AsSpan(2 * i));
            values[i] = tensor.DType == "F16" ? (float)BitConverter.UInt16BitsToHalf(bits) : BitConverter.Int32BitsToSingle(bits << 16);
        }

        return values;
    }
}
