using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace PixioCuda.Tests.Weights.PyTorch;

/// <summary>How a zip archive is put together.</summary>
internal sealed record ZipStyle
{
    /// <summary>Whether the entries are compressed.</summary>
    public bool Deflate { get; init; }

    /// <summary>Whether every size and offset stands in zip64 records.</summary>
    public bool Zip64 { get; init; }

    /// <summary>The archive's comment.</summary>
    public string Comment { get; init; } = "";
}

/// <summary>Zip archives put together by hand.</summary>
internal static class ZipBytes
{
    public static byte[] Write(IEnumerable<(string Name, byte[] Content)> entries, ZipStyle? style = null)
    {
        style ??= new ZipStyle();
        using MemoryStream archive = new(), directory = new();
        long count = 0;
        foreach ((string name, byte[] content) in entries)
        {
            byte[] stored = style.Deflate ? Deflate(content) : content;
            byte[] nameBytes = Encoding.UTF8.GetBytes(name);
            long offset = archive.Length;
            // PyTorch pads this field so that the data begins at a multiple of 64.
            byte[] padding = [0x46, 0x42, 3, 0, 0x5A, 0x5A, 0x5A];
            archive.Write(Fields(
                (4, 0x04034B50), (2, 20), (2, 0), (2, style.Deflate ? 8 : 0), (4, 0), (4, SampleChecksum.Crc32(content)),
                (4, stored.Length), (4, content.Length), (2, nameBytes.Length), (2, padding.Length)));
            archive.Write(nameBytes);
            archive.Write(padding);
            archive.Write(stored);

            byte[] extra = style.Zip64 ? Fields((2, 1), (2, 24), (8, content.Length), (8, stored.Length), (8, offset)) : [];
            long Narrow(long value) => style.Zip64 ? uint.MaxValue : value;
            directory.Write(Fields(
                (4, 0x02014B50), (2, 20), (2, 20), (2, 0), (2, style.Deflate ? 8 : 0), (4, 0), (4, SampleChecksum.Crc32(content)),
                (4, Narrow(stored.Length)), (4, Narrow(content.Length)), (2, nameBytes.Length), (2, extra.Length), (2, 0), (2, 0), (2, 0),
                (4, 0), (4, Narrow(offset))));
            directory.Write(nameBytes);
            directory.Write(extra);
            count++;
        }

        long directoryOffset = archive.Length;
        archive.Write(directory.ToArray());
        if (style.Zip64)
        {
            long end = archive.Length;
            archive.Write(Fields(
                (4, 0x06064B50), (8, 44), (2, 45), (2, 45), (4, 0), (4, 0), (8, count), (8, count), (8, directory.Length),
                (8, directoryOffset)));
            archive.Write(Fields((4, 0x07064B50), (4, 0), (8, end), (4, 1)));
        }

        byte[] comment = Encoding.UTF8.GetBytes(style.Comment);
        archive.Write(style.Zip64
            ? Fields((4, 0x06054B50), (2, 0), (2, 0), (2, 0xFFFF), (2, 0xFFFF), (4, uint.MaxValue), (4, uint.MaxValue), (2, comment.Length))
            : Fields((4, 0x06054B50), (2, 0), (2, 0), (2, count), (2, count), (4, directory.Length), (4, directoryOffset),
                (2, comment.Length)));
        archive.Write(comment);
        return archive.ToArray();
    }

    private static byte[] Deflate(byte[] content)
    {
        using MemoryStream compressed = new();
        using (DeflateStream deflater = new(compressed, CompressionLevel.Fastest, leaveOpen: true))
            deflater.Write(content);
        return compressed.ToArray();
    }

    private static byte[] Fields(params (int Bytes, long Value)[] fields)
    {
        List<byte> bytes = [];
        Span<byte> wide = stackalloc byte[8];
        foreach ((int count, long value) in fields)
        {
            BinaryPrimitives.WriteInt64LittleEndian(wide, value);
            bytes.AddRange(wide[..count]);
        }

        return [.. bytes];
    }
}
