using System.Formats.Tar;
using PixioCuda.Pipeline;
using PixioCuda.Pipeline.Tar;
using Xunit;
using TarReader = PixioCuda.Pipeline.Tar.TarReader;

namespace PixioCuda.Tests.Pipeline;

public class TarReaderTests
{
    private static readonly string LongName = $"{new string('a', 90)}/{new string('b', 120)}/x.jpg";

    [Theory]
    [InlineData(TarEntryFormat.V7)]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public void Members_are_what_another_writer_wrote(TarEntryFormat format)
    {
        (string Name, byte[] Content)[] members =
        [
            ("a.jpg", [1, 2, 3]),
            ("empty.png", []),
            ("folder/block.jpg", [.. Enumerable.Range(0, 512).Select(i => (byte)i)]),
            ("folder/more.jpg", [.. Enumerable.Range(0, 1025).Select(i => (byte)(i * 7))]),
        ];
        Assert.Equal(members, Read(TarBytes.Of(format, members)));
    }

    [Theory]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public void Names_of_any_length_and_script_are_read(TarEntryFormat format)
    {
        (string, byte[])[] members = [(LongName, [1]), ("ordinary.jpg", [2]), ("日本語/ü.jpg", [3])];
        Assert.Equal(members, Read(TarBytes.Of(format, members)));
    }

    [Fact]
    public void A_prefix_is_part_of_a_name_and_a_leading_dot_is_not() => Assert.Equal(
        ["folder/of/x.jpg", "y.jpg"],
        Read([
            .. TarBytes.Header("x.jpg", "0000000", prefix: "folder/of"), .. TarBytes.Header("./y.jpg", "0000000"), .. TarBytes.End,
        ]).Select(member => member.Name));

    [Fact]
    public void Links_and_folders_have_no_content_whatever_their_length_says()
    {
        byte[] file =
        [
            .. TarBytes.Header("link.jpg", "0001000", '1'), .. TarBytes.Header("folder/", "0001000", '5'),
            .. TarBytes.Header("x.jpg", "0000002"), .. TarBytes.Content("ab"), .. TarBytes.End,
        ];
        TarReader reader = new(new MemoryStream(file), "x.tar");
        Assert.False(reader.ReadNext()!.IsFile);
        Assert.False(reader.ReadNext()!.IsFile);
        Assert.Equal(new TarMember("x.jpg", 2, IsFile: true, IsSparse: false), reader.ReadNext());
        Assert.Null(reader.ReadNext());
    }

    [Fact]
    public void What_nobody_reads_is_passed_over_with_and_without_seeking()
    {
        byte[] file = TarBytes.Of(TarEntryFormat.Pax, ("a.jpg", new byte[70_000]), ("b.jpg", [7]));
        foreach (Stream stream in new Stream[] { new MemoryStream(file), new Unseekable(file) })
        {
            TarReader reader = new(stream, "x.tar");
            reader.ReadNext();
            Assert.Equal("b.jpg", reader.ReadNext()!.Name);
            byte[] content = new byte[1];
            reader.ReadContent(content);
            Assert.Equal([7], content);
            Assert.Null(reader.ReadNext());
        }
    }

    [Fact]
    public void A_length_in_base_256_is_read()
    {
        byte[] header = TarBytes.Header("x.jpg", "0000000");
        header.AsSpan(124, 12).Clear();
        header[124] = 0x80;
        header[135] = 3;
        TarBytes.MendChecksum(header);
        (string name, byte[] content) = Assert.Single(Read([.. header, .. TarBytes.Content("abc"), .. TarBytes.End]));
        Assert.Equal("x.jpg", name);
        Assert.Equal("abc"u8.ToArray(), content);
    }

    [Theory]
    [InlineData(124, 12)]
    [InlineData(148, 8)]
    public void Fields_in_base_256_that_hold_too_much_are_refused(int offset, int count)
    {
        foreach (byte filling in new byte[] { 0, 0x7F, 0xFF })
        {
            byte[] header = TarBytes.Header("x.jpg", "0000000");
            header.AsSpan(offset, count).Fill(filling);
            header[offset] = 0x80;
            if (offset == 124)
                TarBytes.MendChecksum(header);
            byte[] file = [.. header, .. TarBytes.End];
            if (offset == 124 && filling == 0)
                Assert.Single(Read(file));
            else
                Assert.Throws<PictureSourceException>(() => Read(file));
        }
    }

    public static TheoryData<string, byte[]> DamagedFiles => new()
    {
        { "without the two empty blocks", [] },
        { "without the two empty blocks", [.. TarBytes.Header("x.jpg", "0000003"), .. TarBytes.Content("abc")] },
        { "within the header at byte 0", new byte[100] },
        { "checksum", [.. Enumerable.Repeat((byte)'x', 512)] },
        { "claims 4096 bytes, and only 512 follow", [.. TarBytes.Header("x.jpg", "0010000"), .. TarBytes.Content("abc")] },
        { "claims 8589934591 bytes", [.. TarBytes.Header("x.jpg", "77777777777"), .. TarBytes.Content("abc")] },
        { "length is not a number", [.. TarBytes.Header("x.jpg", "12x"), .. TarBytes.End] },
        { "a name claims 8388608 bytes", [.. TarBytes.Header("././@LongLink", "40000000", 'L'), .. new byte[9 << 20]] },
        { "record that is none", [.. TarBytes.Header("x", "0000005", 'x'), .. TarBytes.Content("99 a="), .. TarBytes.End] },
        { "without a value", [.. TarBytes.Header("x", "0000007", 'x'), .. TarBytes.Content("7 path\n"), .. TarBytes.End] },
        { "size is not a number", [.. TarBytes.Header("x", "0000013", 'x'), .. TarBytes.Content("11 size=-1\n"), .. TarBytes.End] },
    };

    [Theory]
    [MemberData(nameof(DamagedFiles))]
    public void Damage_is_told_with_the_files_name(string hint, byte[] file)
    {
        PictureSourceException exception = Assert.Throws<PictureSourceException>(() => Read(file));
        Assert.Contains(hint, exception.Message, StringComparison.Ordinal);
        Assert.Contains("x.tar", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_cut_is_noticed()
    {
        byte[] file = TarBytes.Of(TarEntryFormat.Pax, ("a.jpg", [1, 2, 3]), (LongName, new byte[600]));
        int end = file.Length - 1024;
        Assert.Equal(2, Read(file).Count);
        for (int length = 0; length < end; length += 13)
            Assert.Throws<PictureSourceException>(() => Read(file[..length]));
    }

    /// <summary>The plain files and their contents.</summary>
    internal static List<(string Name, byte[] Content)> Read(byte[] file, string name = "x.tar")
    {
        TarReader reader = new(new MemoryStream(file), name);
        List<(string, byte[])> members = [];
        while (reader.ReadNext() is { } member)
        {
            if (!member.IsFile)
                continue;
            byte[] content = new byte[member.Length];
            reader.ReadContent(content);
            members.Add((member.Name, content));
        }

        return members;
    }

    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;

        public override long Position { get => base.Position; set => throw new NotSupportedException(); }
    }
}
