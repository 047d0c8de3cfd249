using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights;

public sealed class NpyWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("()", new long[0])]
    [InlineData("(3,)", new long[] { 3 })]
    [InlineData("(2, 3)", new long[] { 2, 3 })]
    [InlineData("(1, 2, 3, 4)", new long[] { 1, 2, 3, 4 })]
    [InlineData("(0, 7)", new long[] { 0, 7 })]
    public void The_bytes_are_those_of_the_specification(string tuple, long[] shape)
    {
        float[] values = [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (product, n) => product * n)).Select(i => i - 0.5f)];
        string path = _folder.File("out.npy");
        NpyWriter.Write(path, values, shape);

        byte[] bytes = File.ReadAllBytes(path);
        string dictionary = $"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple}, }}";
        // Magic, version and length take 10 bytes; spaces and a line's end pad the header, so that the data starts at a multiple of 64.
        int headerLength = 128 - 10;
        Assert.Equal([0x93, .. "NUMPY"u8, 1, 0, (byte)headerLength, 0], bytes[..10]);
        Assert.Equal(dictionary.PadRight(headerLength - 1) + "\n", Encoding.ASCII.GetString(bytes, 10, headerLength));
        Assert.Equal(128 + 4 * values.Length, bytes.Length);
        for (int i = 0; i < values.Length; i++)
            Assert.Equal(values[i], BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(128 + 4 * i)));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.Root));
    }

    [Fact]
    public void The_data_are_aligned_whatever_the_shapes_length()
    {
        // Around where the header grows by a line of 64, and further ones.
        foreach (int rank in new[] { 0, 1, 2, 17, 18, 19, 20, 21, 22, 50, 119 })
        {
            long[] shape = [.. Enumerable.Repeat(1L, rank)];
            NpyWriter.Write(_folder.File("out.npy"), [42f], shape);

            byte[] bytes = File.ReadAllBytes(_folder.File("out.npy"));
            int dataStart = 10 + BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(8));
            Assert.Equal(0, dataStart % 64);
            Assert.Equal((byte)'\n', bytes[dataStart - 1]);
            Assert.Equal(dataStart + 4, bytes.Length);
            Assert.Equal(42f, BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(dataStart)));
            string header = Encoding.ASCII.GetString(bytes, 10, dataStart - 10);
            Assert.Equal(rank, header.Count(c => c == '1'));
            string tuple = header.Split('(', ')')[1];
            Assert.Equal(rank == 1 ? 1 : Math.Max(rank - 1, 0), tuple.Count(c => c == ','));
        }
    }

    [Fact]
    public void Blocks_make_one_array()
    {
        using (NpyWriter writer = NpyWriter.Create(_folder.File("out.npy"), 100, 3))
        {
            for (int i = 0; i < 100; i++)
                writer.Append([i, i + 0.25f, i + 0.5f]);
            Assert.Throws<ArgumentException>(() => writer.Append([1]));
            writer.Complete();
        }

        byte[] bytes = File.ReadAllBytes(_folder.File("out.npy"));
        Assert.Equal(128 + 1200, bytes.Length);
        Assert.Equal(99.5f, BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(128 + 1196)));
    }

    [Fact]
    public void An_array_that_is_not_complete_leaves_an_earlier_file_as_it_was()
    {
        string path = _folder.Write("out.npy", "before"u8);
        using (NpyWriter writer = NpyWriter.Create(path, 2))
        {
            writer.Append([1]);
            InvalidOperationException exception = Assert.Throws<InvalidOperationException>(writer.Complete);
            Assert.Contains(1.ToString(CultureInfo.InvariantCulture) + " of 2", exception.Message, StringComparison.Ordinal);
        }

        Assert.Throws<ArgumentException>(() => NpyWriter.Write(path, [1f, 2f, 3f], 2));
        Assert.Equal("before", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.Root));
    }

    [Fact]
    public void Shapes_that_cannot_be_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => NpyWriter.Create(_folder.File("out.npy"), 2, -1));
        Assert.Throws<OverflowException>(() => NpyWriter.Create(_folder.File("out.npy"), long.MaxValue, 2));
        Assert.Throws<ArgumentException>(() => NpyWriter.Create(_folder.File("out.npy"), new long[30_000]));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Root));
    }
}
