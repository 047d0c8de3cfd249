using System.Buffers.Binary;
using PixioCuda.Weights;
using Xunit;
using static PixioCuda.Tests.Weights.SafetensorsBytes;

namespace PixioCuda.Tests.Weights;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Metadata_and_random_weights_are_told()
    {
        byte[] trained = File("""{"__metadata__":{"format":"pt"}}""");
        byte[] made = File("""{"__metadata__":{"pixio_random_weights":"random:tiny@1"}}""");
        using SafetensorsFile plain = SafetensorsFile.Open(_folder.Write("a", trained));
        using SafetensorsFile random = SafetensorsFile.Open(_folder.Write("b", made));

        Assert.Equal("pt", plain.Metadata["format"]);
        Assert.False(plain.IsRandom);
        Assert.True(random.IsRandom);
    }

    [Fact]
    public void A_file_that_is_cut_short_after_it_was_opened_gives_an_error_and_no_zeros()
    {
        string path = _folder.Write("model.safetensors", File($"{{{Tensor("a", "F32", "1000", 0, 4000)}}}", 4000));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        using (FileStream writer = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
            writer.SetLength(2000);

        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => file.ReadFloats(file.Tensors["a"], 0, new float[1000]));

        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
        Assert.Contains("was it truncated or is it still being written?", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_range_of_every_type_is_read_as_float32()
    {
        const int Count = 300;
        float[] values = [.. Enumerable.Range(0, Count).Select(i => (i - 150) * 0.5f)];
        foreach (DType dtype in Enum.GetValues<DType>())
        {
            // A first tensor of odd length, so that the second is aligned to its elements only.
            string path = _folder.File($"{dtype}.safetensors");
            using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new("first", dtype, [3]), new("second", dtype, [Count])]))
            {
                writer.Append("first", [1, 2, 3]);
                writer.Append("second", values);
                writer.Complete();
            }

            using SafetensorsFile file = SafetensorsFile.Open(path);
            for (int first = 0; first < Count; first += 7)
            {
                for (int length = 0; length <= Count - first; length += 5)
                {
                    // These have few enough bits for all three types, so the values come back as they were.
                    float[] read = new float[length];
                    file.ReadFloats(file.Tensors["second"], first, read);
                    Assert.Equal(values[first..(first + length)], read);
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    public void Reading_takes_no_memory(DType dtype)
    {
        string path = _folder.File("model.safetensors");
        float[] values = new float[100_000];
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new("a", dtype, [values.Length])]))
        {
            writer.Append("a", values);
            writer.Complete();
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        TensorInfo tensor = file.Tensors["a"];
        SteadyState.AllocatesNothing(runs: 10, () => file.ReadFloats(tensor, 7, values.AsSpan(7)));
    }

    [Fact]
    public void Threads_share_one_file()
    {
        using SafetensorsFile file = SafetensorsFile.Open(TestData.Path("tiny", "model.safetensors"));
        Dictionary<string, StoredTensor> expected = MinimalSafetensors.Read(file.Path);

        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            TensorInfo tensor = file.Tensors.Values.ElementAt(i % file.Tensors.Count);
            float[] values = new float[tensor.ElementCount];
            file.ReadFloats(tensor, 0, values);
            Assert.Equal(expected[tensor.Name].Floats(), values);
        });
    }

    [Fact]
    public void A_range_outside_a_tensor_or_a_tensor_of_another_file_is_refused()
    {
        string header = $"{{{Tensor("a", "F32", "2", 0, 8)},{Tensor("b", "F32", "2", 8, 16)},{Tensor("c", "I32", "1", 16, 20)}}}";
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("a", File(header, 20)));
        TensorInfo a = file.Tensors["a"];

        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadBytes(a, 1, new byte[8]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadBytes(a, -1, new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadBytes(a, long.MaxValue, new byte[1]));
        // A shape that a caller made up does not widen the tensor's bounds.
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadBytes(new TensorInfo("a", DType.F32, [4]), 8, new byte[8]));
        Assert.Throws<ArgumentException>(() => file.ReadBytes(new TensorInfo("c", DType.F32, [1]), 0, new byte[4]));
        Assert.Throws<ArgumentException>(() => file.ReadBytes(new TensorInfo("d", DType.F32, [1]), 0, new byte[4]));
    }

    [Fact]
    public void Half_precision_values_are_widened_to_what_they_are()
    {
        byte[] bytes = File($"{{{Tensor("h", "F16", "2", 0, 4)},{Tensor("b", "BF16", "2", 4, 8)}}}", 8);
        BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(bytes.Length - 8), (Half)(-2.5));
        BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(bytes.Length - 6), (Half)65504);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(bytes.Length - 4), 0x3F80);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(bytes.Length - 2), 0xC040);
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("a", bytes));
        float[] values = new float[4];
        file.ReadFloats(file.Tensors["h"], 0, values.AsSpan(0, 2));
        file.ReadFloats(file.Tensors["b"], 0, values.AsSpan(2, 2));

        Assert.Equal([-2.5f, 65504f, 1f, -3f], values);
    }
}
