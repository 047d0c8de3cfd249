using System.Formats.Tar;
using System.Text;

namespace PixioCuda.Tests.Pipeline;

/// <summary>Tar files for tests, written by .NET's own writer or byte by byte.</summary>
internal static class TarBytes
{
    public static byte[] Of(TarEntryFormat format, params (string Name, byte[] Content)[] members)
    {
        using MemoryStream file = new();
        using (TarWriter writer = new(file, format, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in members)
            {
                TarEntry entry = format switch
                {
                    TarEntryFormat.V7 => new V7TarEntry(TarEntryType.V7RegularFile, name),
                    TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, name),
                    TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, name),
                    _ => new PaxTarEntry(TarEntryType.RegularFile, name),
                };
                entry.DataStream = new MemoryStream(content);
                writer.WriteEntry(entry);
            }
        }

        return file.ToArray();
    }

    /// <summary>One header of ustar with a right checksum.</summary>
    public static byte[] Header(string name, string length, char type = '0', string prefix = "")
    {
        byte[] block = new byte[512];
        Encoding.UTF8.GetBytes(name).CopyTo(block, 0);
        "0000644\0"u8.CopyTo(block.AsSpan(100));
        Encoding.ASCII.GetBytes(length).CopyTo(block, 124);
        block[156] = (byte)type;
        "ustar\0"u8.CopyTo(block.AsSpan(257));
        "00"u8.CopyTo(block.AsSpan(263));
        Encoding.UTF8.GetBytes(prefix).CopyTo(block, 345);
        MendChecksum(block);
        return block;
    }

    /// <summary>Writes the checksum that a header's bytes have.</summary>
    public static void MendChecksum(Span<byte> block)
    {
        block.Slice(148, 8).Fill((byte)' ');
        int sum = 0;
        foreach (byte value in block)
            sum += value;
        Encoding.ASCII.GetBytes($"{Convert.ToString(sum, 8).PadLeft(6, '0')}\0 ").CopyTo(block[148..]);
    }

    public static byte[] Content(string text)
    {
        byte[] content = Encoding.UTF8.GetBytes(text);
        Array.Resize(ref content, (content.Length + 511) / 512 * 512);
        return content;
    }

    public static byte[] End { get; } = new byte[1024];
}
