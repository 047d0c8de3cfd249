using System.Formats.Tar;
using PixioCuda.Tests.Pipeline;
using PixioCuda.Tests.Weights;
using Xunit;
using TarReader = PixioCuda.Pipeline.Tar.TarReader;

namespace PixioCuda.Tests.Fuzzing;

/// <summary>Damaged tar files: each is refused, or read as .NET's own reader reads it.</summary>
[Trait("Category", "Fuzz")]
public sealed class TarFuzzTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Mutants_are_refused_or_read_as_the_independent_reader_reads_them()
    {
        int agreed = 0;
        Fuzzer.Run(
            new FuzzTarget
            {
                Name = "tar",
                Samples =
                [
                    .. new[] { TarEntryFormat.V7, TarEntryFormat.Ustar, TarEntryFormat.Pax, TarEntryFormat.Gnu }.Select(format =>
                        TarBytes.Of(format, ("a.jpg", [1, 2, 3]), ("folder/b.png", [.. Enumerable.Range(0, 700).Select(i => (byte)i)]))),
                    .. new[] { TarEntryFormat.Pax, TarEntryFormat.Gnu }.Select(format =>
                        TarBytes.Of(format, ($"{new string('n', 200)}.jpg", [5]), ("ü/x.jpg", new byte[512]))),
                ],
                Mutator = new Mutator(
                    [.. ByteEdits.All, ByteEdits.Words([.. "0000777\0"u8], [.. "77777777777\0"u8], [.. "30 path=x\n"u8],
                        [.. "11 size=99\n"u8]), ChangeType])
                {
                    Mend = MendChecksums,
                },
                Parse = (mutant, path) => Read(mutant, path),
                Check = (mutant, members) => agreed += Check(mutant, (List<(string Name, byte[] Content)>?)members) ? 1 : 0,
                // A name may have 64 KB and a pax header 1 MB, but only if they are there.
                MaxAllocated = length => 64 * 1024 + 8L * length,
                Seed = 20_261_125,
                LeastShares = (0.05, 0.2),
            },
            _folder, "mutant.tar");
        Assert.True(agreed > Fuzzer.MutantCount / 50, $"The independent reader agreed only {agreed} times.");
    }

    private static List<(string Name, byte[] Content)> Read(byte[] mutant, string path)
    {
        TarReader reader = new(new MemoryStream(mutant), path);
        List<(string, byte[])> members = [];
        while (reader.ReadNext() is { } member)
        {
            if (!member.IsFile || member.IsSparse)
                continue;
            byte[] content = new byte[member.Length];
            reader.ReadContent(content);
            members.Add((member.Name, content));
        }

        return members;
    }

    /// <summary>What both readers take must be the same. They are not equally strict: a file that only one of them takes proves
    /// nothing.</summary>
    private static bool Check(byte[] mutant, List<(string Name, byte[] Content)>? members)
    {
        if (members is null || ReadIndependently(mutant) is not { } expected)
            return false;
        Assert.Equal(expected.Select(member => member.Name), members.Select(member => member.Name));
        for (int i = 0; i < expected.Count; i++)
            Assert.Equal(expected[i].Content, members[i].Content);
        return members.Count > 0;
    }

    private static List<(string Name, byte[] Content)>? ReadIndependently(byte[] mutant)
    {
        try
        {
            List<(string, byte[])> members = [];
            using System.Formats.Tar.TarReader reader = new(new MemoryStream(mutant));
            while (reader.GetNextEntry() is { } entry)
            {
                if (entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile))
                    continue;
                using MemoryStream content = new();
                entry.DataStream?.CopyTo(content);
                members.Add((entry.Name.StartsWith("./", StringComparison.Ordinal) ? entry.Name[2..] : entry.Name, content.ToArray()));
            }

            return members;
        }
        catch (Exception exception) when (exception is InvalidDataException or FormatException or EndOfStreamException or ArgumentException
            or IOException or OverflowException or NotSupportedException or InvalidOperationException)
        {
            return null;
        }
    }

    private static byte[] ChangeType(byte[] file, Random random)
    {
        int block = 512 * random.Next((file.Length + 511) / 512);
        if (block + 156 < file.Length)
            file[block + 156] = "01257LKxgS\0"u8.ToArray()[random.Next(11)];
        return file;
    }

    /// <summary>A checksum would refuse nearly every mutant before anything else looks at it.</summary>
    private static byte[] MendChecksums(byte[] file, Random random)
    {
        for (int block = 0; block + 512 <= file.Length; block += 512)
        {
            Span<byte> header = file.AsSpan(block, 512);
            if (header[148..154].IndexOfAnyExceptInRange((byte)'0', (byte)'7') < 0)
                TarBytes.MendChecksum(header);
        }

        return file;
    }
}
