using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights.PyTorch;

/// <summary>
/// The central directory of a zip archive (PKWARE's APPNOTE 6.3.10, zip64 included), which lies at the archive's end. It is read in one
/// piece of bounded length, and what it says is checked against the file before anything else is done with it.
/// </summary>
internal sealed class ZipDirectory
{
    /// <summary>The method of entries that lie in the file as they are.</summary>
    public const ushort Stored = 0;

    /// <summary>The method of entries that are compressed by deflate (RFC 1951).</summary>
    public const ushort Deflated = 8;

    /// <summary>The longest central directory that is read: a thousand tensors take about 100 KB.</summary>
    public const int MaxBytes = 1 << 24;

    private const uint EndSignature = 0x06054B50;
    private const uint EndSignature64 = 0x06064B50;
    private const uint LocatorSignature64 = 0x07064B50;
    private const uint RecordSignature = 0x02014B50;

    private const int EndBytes = 22;
    private const int EndBytes64 = 56;
    private const int LocatorBytes64 = 20;
    private const int RecordBytes = 46;

    private const ushort EncryptedFlag = 1;
    private const ushort ExtraTag64 = 1;

    private ZipDirectory(Dictionary<string, ZipEntry> entries, long offset)
    {
        Entries = entries;
        Offset = offset;
    }

    /// <summary>The entries by name, in the directory's order.</summary>
    public IReadOnlyDictionary<string, ZipEntry> Entries { get; }

    /// <summary>Where the directory begins in the file; every entry lies before it.</summary>
    public long Offset { get; }

    /// <summary>Reads and checks the directory of an open file.</summary>
    /// <exception cref="ModelFormatException">The file is no zip archive, or a damaged one.</exception>
    public static ZipDirectory Read(SafeFileHandle file, string path)
    {
        (long offset, long byteCount, long entryCount) = Locate(file, path);
        byte[] records = new byte[byteCount];
        PositionedRead.Fill(file, offset, records, path);

        Dictionary<string, ZipEntry> entries = new((int)entryCount);
        ReadOnlySpan<byte> rest = records;
        for (long i = 0; i < entryCount; i++)
        {
            ZipEntry entry = ParseRecord(ref rest, path);
            if (entry.HeaderOffset > offset || entry.CompressedLength > offset - entry.HeaderOffset)
                throw Damaged(path, $"its entry {MessageText.Quote(entry.Name)} lies outside of the file");
            if (!entries.TryAdd(entry.Name, entry))
                throw Damaged(path, $"it holds the entry {MessageText.Quote(entry.Name)} twice");
        }

        return rest.IsEmpty
            ? new ZipDirectory(entries, offset)
            : throw Damaged(path, $"its directory has {rest.Length} bytes more than its {entryCount} entries take");
    }

    /// <summary>The error that every broken rule of the zip format gives.</summary>
    public static ModelFormatException Damaged(string path, string what, Exception? cause = null)
    {
        string message = $"'{path}' cannot be read as the zip archive that a PyTorch checkpoint is: {what}.";
        return cause is null ? new ModelFormatException(message) : new ModelFormatException(message, cause);
    }

    private static (long Offset, long ByteCount, long EntryCount) Locate(SafeFileHandle file, string path)
    {
        long fileLength = RandomAccess.GetLength(file);
        byte[] tail = new byte[Math.Min(fileLength, EndBytes + ushort.MaxValue)];
        PositionedRead.Fill(file, fileLength - tail.Length, tail, path);
        int at = FindEnd(tail);
        if (at < 0)
            throw Damaged(path, "the record that ends such an archive is missing, as it is when a download was cut short");

        ReadOnlySpan<byte> end = tail.AsSpan(at);
        long endOffset = fileLength - tail.Length + at;
        ushort disk = BinaryPrimitives.ReadUInt16LittleEndian(end[4..]), firstDisk = BinaryPrimitives.ReadUInt16LittleEndian(end[6..]);
        ulong countHere = BinaryPrimitives.ReadUInt16LittleEndian(end[8..]), count = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]);
        ulong length = BinaryPrimitives.ReadUInt32LittleEndian(end[12..]), offset = BinaryPrimitives.ReadUInt32LittleEndian(end[16..]);
        // A field that is too small for its value is full, and the value stands in the record of zip64.
        if (disk == ushort.MaxValue || firstDisk == ushort.MaxValue || countHere == ushort.MaxValue || count == ushort.MaxValue
            || length == uint.MaxValue || offset == uint.MaxValue)
            (countHere, count, length, offset, endOffset) = ReadEnd64(file, endOffset, path);
        else if (disk != 0 || firstDisk != 0)
            throw Damaged(path, "it is one part of an archive in several parts");

        if (countHere != count)
            throw Damaged(path, "it is one part of an archive in several parts");
        if (length > MaxBytes)
            throw Damaged(path, $"it claims a directory of {length} bytes, more than the {MaxBytes} that are read");
        if (offset > (ulong)endOffset || length > (ulong)endOffset - offset)
            throw Damaged(path, "its directory does not lie inside of it");
        if (count > length / RecordBytes)
            throw Damaged(path, $"its directory of {length} bytes cannot hold the {count} entries that it claims");
        return ((long)offset, (long)length, (long)count);
    }

    /// <summary>Where the end record begins: the last place whose comment reaches exactly to the end of the file.</summary>
    private static int FindEnd(ReadOnlySpan<byte> tail)
    {
        for (int at = tail.Length - EndBytes; at >= 0; at--)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(tail[at..]) == EndSignature
                && BinaryPrimitives.ReadUInt16LittleEndian(tail[(at + 20)..]) == tail.Length - at - EndBytes)
                return at;
        }

        return -1;
    }

    private static (ulong CountHere, ulong Count, ulong Length, ulong Offset, long EndOffset) ReadEnd64(
        SafeFileHandle file, long endOffset, string path)
    {
        if (endOffset < LocatorBytes64 + EndBytes64)
            throw Damaged(path, "its zip64 records are missing");
        Span<byte> locator = stackalloc byte[LocatorBytes64];
        PositionedRead.Fill(file, endOffset - LocatorBytes64, locator, path);
        ulong endOffset64 = BinaryPrimitives.ReadUInt64LittleEndian(locator[8..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(locator) != LocatorSignature64
            || endOffset64 > (ulong)(endOffset - LocatorBytes64 - EndBytes64))
            throw Damaged(path, "its zip64 records are missing");
        if (BinaryPrimitives.ReadUInt32LittleEndian(locator[4..]) != 0)
            throw Damaged(path, "it is one part of an archive in several parts");

        Span<byte> end = stackalloc byte[EndBytes64];
        PositionedRead.Fill(file, (long)endOffset64, end, path);
        if (BinaryPrimitives.ReadUInt32LittleEndian(end) != EndSignature64)
            throw Damaged(path, "its zip64 records are missing");
        if (BinaryPrimitives.ReadUInt32LittleEndian(end[16..]) != 0 || BinaryPrimitives.ReadUInt32LittleEndian(end[20..]) != 0)
            throw Damaged(path, "it is one part of an archive in several parts");
        return (BinaryPrimitives.ReadUInt64LittleEndian(end[24..]), BinaryPrimitives.ReadUInt64LittleEndian(end[32..]),
            BinaryPrimitives.ReadUInt64LittleEndian(end[40..]), BinaryPrimitives.ReadUInt64LittleEndian(end[48..]), (long)endOffset64);
    }

    private static ZipEntry ParseRecord(ref ReadOnlySpan<byte> rest, string path)
    {
        if (rest.Length < RecordBytes || BinaryPrimitives.ReadUInt32LittleEndian(rest) != RecordSignature)
            throw Damaged(path, "its directory holds something other than entries");
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(rest[28..]);
        int extraLength = BinaryPrimitives.ReadUInt16LittleEndian(rest[30..]);
        int recordLength = RecordBytes + nameLength + extraLength + BinaryPrimitives.ReadUInt16LittleEndian(rest[32..]);
        if (recordLength > rest.Length)
            throw Damaged(path, "its directory ends within an entry");

        ReadOnlySpan<byte> record = rest[..recordLength];
        rest = rest[recordLength..];
        // The names that matter here are plain ASCII; others only have to differ where their bytes do.
        string name = Encoding.Latin1.GetString(record.Slice(RecordBytes, nameLength));
        ulong compressed = BinaryPrimitives.ReadUInt32LittleEndian(record[20..]);
        ulong length = BinaryPrimitives.ReadUInt32LittleEndian(record[24..]);
        ulong offset = BinaryPrimitives.ReadUInt32LittleEndian(record[42..]);
        ReadOnlySpan<byte> extra = Extra64(record.Slice(RecordBytes + nameLength, extraLength));
        if (!Widen(ref length, ref extra) || !Widen(ref compressed, ref extra) || !Widen(ref offset, ref extra)
            || Math.Max(Math.Max(length, compressed), offset) > long.MaxValue)
            throw Damaged(path, $"the zip64 record of its entry {MessageText.Quote(name)} is damaged");
        bool isEncrypted = (BinaryPrimitives.ReadUInt16LittleEndian(record[8..]) & EncryptedFlag) != 0;
        return new ZipEntry(
            name, BinaryPrimitives.ReadUInt16LittleEndian(record[10..]), isEncrypted, (long)compressed, (long)length, (long)offset);
    }

    /// <summary>The values of the extra field of zip64; empty where there is none.</summary>
    private static ReadOnlySpan<byte> Extra64(ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (length > extra.Length - 4)
                return [];
            if (BinaryPrimitives.ReadUInt16LittleEndian(extra) == ExtraTag64)
                return extra.Slice(4, length);
            extra = extra[(4 + length)..];
        }

        return [];
    }

    /// <summary>Takes the wide value of a field that is full; false where it is missing.</summary>
    private static bool Widen(ref ulong value, ref ReadOnlySpan<byte> extra)
    {
        if (value != uint.MaxValue)
            return true;
        if (extra.Length < sizeof(ulong))
            return false;
        value = BinaryPrimitives.ReadUInt64LittleEndian(extra);
        extra = extra[sizeof(ulong)..];
        return true;
    }
}
