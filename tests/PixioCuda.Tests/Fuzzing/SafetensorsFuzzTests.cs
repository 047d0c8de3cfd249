using System.Buffers.Binary;
using PixioCuda.Tests.Weights;
using PixioCuda.Weights;
using Xunit;
using static PixioCuda.Tests.Weights.SafetensorsBytes;

namespace PixioCuda.Tests.Fuzzing;

/// <summary>Damaged safetensors files: each is refused, or loads as exactly what an independent reader finds in it.</summary>
[Trait("Category", "Fuzz")]
public sealed class SafetensorsFuzzTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Mutants_are_refused_or_load_as_the_independent_reader_loads_them() => Fuzzer.Run(
        new FuzzTarget
        {
            Name = "safetensors",
            Samples = [.. Originals()],
            Mutator = new Mutator([.. JsonEdits.All.Select(InHeader), .. ByteEdits.All, AppendSpaces, AppendSpaces]),
            Parse = (_, path) => SafetensorsFile.Open(path),
            Check = (mutant, file) => AssertSame(MinimalSafetensors.TryRead(mutant), (SafetensorsFile?)file),
            // The files have about a kilobyte, and an error with its stack trace some ten; what headers claim is megabytes and more.
            MaxAllocated = length => 64 * 1024 + 32L * length,
            Seed = 20_251_216,
        },
        _folder, "mutant.safetensors");

    private static void AssertSame(Dictionary<string, StoredTensor>? expected, SafetensorsFile? file)
    {
        Assert.True(expected is null == file is null, $"It was {(file is null ? "refused" : "loaded")}, against the independent reader.");
        if (file is null)
            return;
        Assert.Equal(expected!.Count, file.Tensors.Count + file.UnsupportedTensors.Count);
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            StoredTensor stored = expected[tensor.Name];
            byte[] bytes = new byte[stored.Bytes.Length];
            file.ReadBytes(tensor, 0, bytes);
            Assert.Equal(stored.Bytes, bytes);
            Assert.Equal(stored.Shape, tensor.Shape);
            Assert.Equal(stored.DType, tensor.DType.ToString());
        }
    }

    private static IEnumerable<byte[]> Originals()
    {
        yield return File($"{{{Tensor("a", "F32", "2,3", 0, 24)}}}", 24);
        yield return File(
            $$"""{"__metadata__":{"format":"pt"},{{Tensor("w", "F16", "3,1,2", 4, 16)}},{{Tensor("b", "BF16", "2", 0, 4)}}}   """, 16);
        yield return File(
            $"{{{Tensor("x.weight", "F4", "4,2", 0, 4)},{Tensor("empty", "F32", "0,7", 4, 4)},{Tensor("scalar", "F64", "", 4, 12)},"
            + $"{Tensor("y", "I64", "2", 12, 28)},{Tensor("z", "F32", "1,1,1,1,2", 28, 36)}}}", 36);
        IEnumerable<string> layers = Enumerable.Range(0, 12).Select(i => Tensor($"layer.{i}.bias", "F32", "4", 16 * i, 16 * i + 16));
        yield return File($"{{{string.Join(",", layers)}}}", 192);
    }

    /// <summary>An edit of the header's text, whose length is mended, so that the edit itself is what the reader meets.</summary>
    private static Edit InHeader(Edit edit) => (file, random) =>
    {
        if (file.Length < 8)
            return file;
        int length = (int)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(file), (ulong)(file.Length - 8));
        if (length == 0)
            return file;
        byte[] header = edit(file[8..(8 + length)], random);
        byte[] edited = [.. file[..8], .. header, .. file[(8 + length)..]];
        BinaryPrimitives.WriteInt64LittleEndian(edited, header.Length);
        return edited;
    };

    /// <summary>What the format allows behind a header's text.</summary>
    private static byte[] AppendSpaces(byte[] file, Random random)
    {
        int count = random.Next(1, 9);
        return InHeader((header, _) => [.. header, .. Enumerable.Repeat((byte)' ', count)])(file, random);
    }
}
