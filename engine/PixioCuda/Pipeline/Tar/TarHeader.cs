using System.Text;

namespace PixioCuda.Pipeline.Tar;

/// <summary>The block of 512 bytes that stands before every member of a tar file (ustar, pax, GNU and the older ones).</summary>
/// <param name="Name">The member's name as this block alone has it.</param>
/// <param name="Length">The bytes that the field of the length claims.</param>
/// <param name="Type">The type flag.</param>
internal readonly record struct TarHeader(string Name, long Length, byte Type)
{
    /// <summary>Everything in a tar file comes in blocks of this many bytes.</summary>
    public const int BlockBytes = 512;

    private const int NameBytes = 100;
    private const int LengthOffset = 124;
    private const int NumberBytes = 12;
    private const int ChecksumOffset = 148;
    private const int ChecksumBytes = 8;
    private const int TypeOffset = 156;
    private const int MagicOffset = 257;
    private const int PrefixOffset = 345;
    private const int PrefixBytes = 155;

    /// <summary>Whether the bytes behind the block are the member's; of links, folders and devices the length is only a claim.</summary>
    public bool HasContent => Type is not ((byte)'1' or (byte)'2' or (byte)'3' or (byte)'4' or (byte)'5' or (byte)'6');

    /// <summary>Whether the member is a plain file.</summary>
    public bool IsFile => Type is (byte)'0' or 0 or (byte)'7';

    /// <summary>Reads a block.</summary>
    /// <param name="block">512 bytes, not all of them 0.</param>
    /// <param name="header">What it says.</param>
    /// <returns>What is wrong with it, in words, or null.</returns>
    public static string? TryRead(ReadOnlySpan<byte> block, out TarHeader header)
    {
        header = default;
        if (!TryReadNumber(block.Slice(ChecksumOffset, ChecksumBytes), out long checksum) || !HasChecksum(block, checksum))
            return "a header's checksum is wrong";
        if (!TryReadNumber(block.Slice(LengthOffset, NumberBytes), out long length))
            return "a header's length is not a number";

        string name = Text(block[..NameBytes]);
        // Only ustar has a prefix there; GNU's own format keeps times in its place.
        if (block.Slice(MagicOffset, 6).SequenceEqual("ustar\0"u8) && block[PrefixOffset] != 0)
            name = $"{Text(block.Slice(PrefixOffset, PrefixBytes))}/{name}";
        header = new TarHeader(name, length, block[TypeOffset]);
        return null;
    }

    /// <summary>Text up to the first 0.</summary>
    public static string Text(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    /// <summary>The bytes of all blocks that a content takes.</summary>
    public static long Padded(long length) => (length + BlockBytes - 1) / BlockBytes * BlockBytes;

    /// <summary>Octal digits between blanks, or, where the first bit is set, a big-endian number.</summary>
    private static bool TryReadNumber(ReadOnlySpan<byte> field, out long value)
    {
        value = 0;
        if (field[0] == 0x80)
        {
            // What is to be rounded up to whole blocks must not overflow then.
            const long Most = (long.MaxValue - BlockBytes) >> 8;
            foreach (byte digit in field[1..])
            {
                if (value > Most)
                    return false;
                value = (value << 8) | digit;
            }

            return value <= long.MaxValue - BlockBytes;
        }

        int begin = field.IndexOfAnyExcept((byte)' ');
        if (begin < 0)
            return false;
        int end = begin;
        for (; end < field.Length && field[end] is >= (byte)'0' and <= (byte)'7'; end++)
            value = (value * 8) + (field[end] - '0');
        return (end > begin || field[begin] == 0) && field[end..].IndexOfAnyExcept((byte)0, (byte)' ') < 0;
    }

    /// <summary>The sum of all bytes, those of the checksum taken for blanks; some old writers added signed bytes.</summary>
    private static bool HasChecksum(ReadOnlySpan<byte> block, long checksum)
    {
        long unsigned = ChecksumBytes * ' ', signed = unsigned;
        for (int i = 0; i < BlockBytes; i++)
        {
            if (i is >= ChecksumOffset and < ChecksumOffset + ChecksumBytes)
                continue;
            unsigned += block[i];
            signed += (sbyte)block[i];
        }

        return checksum == unsigned || checksum == signed;
    }
}
