using System.IO.Compression;
using Microsoft.Win32.SafeHandles;
using PixioCuda.Tests.Weights;
using PixioCuda.Tests.Weights.PyTorch;
using PixioCuda.Weights;
using PixioCuda.Weights.PyTorch;
using Xunit;

namespace PixioCuda.Tests.Fuzzing;

/// <summary>Damaged PyTorch checkpoints, and their two layers by themselves: the zip archive and the pickle.</summary>
[Trait("Category", "Fuzz")]
public sealed class TorchFuzzTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Mutants_of_a_zip_archive_are_refused_or_hold_what_another_reader_finds() => Fuzzer.Run(
        new FuzzTarget
        {
            Name = "zip",
            Samples = [.. Styles().Select(style => ZipBytes.Write(
                [("a/data.pkl", TorchBytes.Ramp(64)), ("a/data/0", TorchBytes.Ramp(300)), ("a/data/1", []), ("a/version", [1, 2])],
                style))],
            Mutator = new Mutator([.. ByteEdits.All, ByteEdits.Words([.. ZipWords()])]),
            Parse = (_, path) => ReadEntries(path),
            Check = (mutant, entries) => AssertSame(mutant, (Dictionary<string, byte[]>?)entries),
            MaxAllocated = length => 400_000 + 100L * length,
            Seed = 20_260_111,
        },
        _folder, "mutant.zip");

    [Fact]
    public void Mutants_of_a_pickle_are_refused_or_describe_tensors_inside_of_their_storages() => Fuzzer.Run(
        new FuzzTarget
        {
            Name = "pickle",
            Samples = [.. Pickles()],
            Mutator = new Mutator([.. ByteEdits.All, ByteEdits.Words([.. PickleWords()]), ByteEdits.Words([.. PickleWords()])]),
            Parse = (mutant, path) => StateDict.Find(PickleReader.Read(mutant, path), path),
            Check = (_, tensors) => Assert.All(((Dictionary<string, TorchTensor>?)tensors ?? []).Values, AssertInside),
            MaxAllocated = length => 100_000 + 1000L * length,
            Seed = 20_260_112,
        },
        _folder, "mutant.pkl");

    [Fact]
    public void Mutants_of_a_checkpoint_are_refused_or_can_be_read_to_the_end() => Fuzzer.Run(
        new FuzzTarget
        {
            Name = "pth",
            Samples = [.. Styles().SelectMany((style, i) => Pickles().Select(pickle => TorchBytes.File(pickle, Tensors, style)))],
            Mutator = new Mutator([.. ByteEdits.All, ByteEdits.Words([.. ZipWords(), .. PickleWords()])]),
            Parse = (_, path) => ReadAll(path),
            MaxAllocated = length => 1_000_000 + 100L * length,
            Seed = 20_260_113,
        },
        _folder, "mutant.pth");

    private static TorchBytesTensor[] Tensors { get; } =
    [
        new("a", "FloatStorage", "0", TorchBytes.Ramp(96), 0, [4, 6], [6, 1]),
        new("b", "FloatStorage", "0", TorchBytes.Ramp(96), 3, [3, 5], [1, 4]),
        new("c", "HalfStorage", "1", TorchBytes.Ramp(10), 0, [5], [1]),
        new("n", "LongStorage", "2", TorchBytes.Ramp(8), 0, [], []),
    ];

    private static ZipStyle[] Styles() =>
        [new(), new() { Deflate = true }, new() { Zip64 = true }, new() { Zip64 = true, Deflate = true, Comment = "comment" }];

    private static IEnumerable<byte[]> Pickles() =>
    [
        TorchBytes.Pickle(Tensors), TorchBytes.Pickle(Tensors, protocol: 4), TorchBytes.Pickle(Tensors, protocol: 2, "model"),
        new PickleBytes().Op('}').Mark().Text("x").Long(1L << 40).Text("l").Op(']').Mark().Int(1).Op('N').Float(2).Raw(0x88).Op('e')
            .Text("a").Tensor("FloatStorage", "0", 24, 0, [2], [1]).Op('u').Stop(),
    ];

    private static IEnumerable<byte[]> ZipWords() =>
    [
        [.. "PK\x1\x2"u8], [.. "PK\x3\x4"u8], [.. "PK\x5\x6"u8], [.. "PK\x6\x6"u8], [.. "PK\x6\x7"u8], [1, 0, 24, 0],
        [.. Enumerable.Repeat((byte)0xFF, 4)], [.. "a/data.pkl"u8], [.. "../"u8],
    ];

    private static IEnumerable<byte[]> PickleWords() =>
    [
        .. "(.cbRNJKMGXQ]aet)}suhjqrT0126FILSVdlgpio"u8.ToArray().Select(opcode => new[] { opcode }),
        .. Enumerable.Range(0x80, 0x19).Select(opcode => new[] { (byte)opcode }),
        [.. "ctorch._utils\n_rebuild_tensor_v2\n"u8], [.. "ccollections\nOrderedDict\n"u8], [.. "ctorch\nFloatStorage\n"u8],
        [.. "cos\nsystem\n"u8], [.. "cbuiltins\neval\n"u8], [.. "X\xFF\xFF\xFF\x7F"u8], [0x8A, 8, 255, 255, 255, 255, 255, 255, 255, 127],
        [.. "h\0"u8, .. "h\x1"u8], [.. ")R"u8], [.. "]a"u8], [.. "(t"u8],
    ];

    private static Dictionary<string, byte[]> ReadEntries(string path)
    {
        SafeFileHandle file = File.OpenHandle(path);
        try
        {
            using ZipReader archive = ZipReader.Open(file, path);
            Dictionary<string, byte[]> entries = [];
            foreach (ZipEntry entry in archive.Entries.Values)
            {
                ZipContent content = archive.Find(entry);
                // What deflate can unfold from a mutant's few hundred bytes is not allocated before they are seen to do so.
                using MemoryStream bytes = new();
                byte[] block = new byte[100];
                for (long read = 0; read < entry.Length; read += block.Length)
                {
                    Span<byte> part = block.AsSpan(0, (int)Math.Min(block.Length, entry.Length - read));
                    archive.Read(content, read, part);
                    bytes.Write(part);
                }

                entries.Add(entry.Name, bytes.ToArray());
            }

            return entries;
        }
        finally
        {
            file.Dispose();
        }
    }

    /// <summary>System.IO.Compression refuses other things than the product does; where both read an entry, they must agree on
    /// it.</summary>
    private static void AssertSame(byte[] mutant, Dictionary<string, byte[]>? entries)
    {
        if (entries is null)
            return;
        try
        {
            using ZipArchive archive = new(new MemoryStream(mutant), ZipArchiveMode.Read);
            foreach (ZipArchiveEntry entry in archive.Entries)
            {
                using MemoryStream content = new();
                using (Stream stream = entry.Open())
                    stream.CopyTo(content);
                if (entries.TryGetValue(entry.FullName, out byte[]? bytes))
                    Assert.Equal(bytes, content.ToArray());
            }
        }
        catch (InvalidDataException)
        {
            // Another reader's opinion of the same damage.
        }
    }

    private static void AssertInside(TorchTensor tensor)
    {
        long last = tensor.Offset;
        for (int i = 0; i < tensor.Shape.Length; i++)
            last += checked((tensor.Shape[i] - 1) * tensor.Strides[i]);
        if (!tensor.Shape.Contains(0))
            Assert.InRange(last, 0, tensor.Storage.ElementCount - 1);
    }

    private static string ReadAll(string path)
    {
        using ITensorSource source = Checkpoint.Open(path);
        byte[] block = new byte[40];
        foreach (TensorInfo tensor in source.Tensors.Values)
        {
            // A tensor that repeats its elements can claim any size: its beginning and its end will do.
            long byteCount = tensor.ByteCount();
            source.ReadBytes(tensor, 0, block.AsSpan(0, (int)Math.Min(block.Length, byteCount)));
            source.ReadBytes(tensor, Math.Max(0, byteCount - block.Length), block.AsSpan(0, (int)Math.Min(block.Length, byteCount)));
        }

        return path;
    }
}
