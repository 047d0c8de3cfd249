using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights.PyTorch;

/// <summary>An open zip archive whose entries are read at positions, from several threads at once, without unpacking it. Checksums are not
/// compared: PyTorch can write archives without right ones, and a tensor is rarely read in one go.</summary>
internal sealed class ZipReader : IDisposable
{
    private const uint HeaderSignature = 0x04034B50;
    private const int HeaderBytes = 30;

    // Deflate gives at most 1032 bytes for one (258 bytes for the two bits of a repeated match).
    private const long LargestRatio = 1032;

    private readonly SafeFileHandle _file;
    private readonly string _path;
    private readonly ZipDirectory _directory;
    private readonly InflateCursors _cursors = new();

    private ZipReader(SafeFileHandle file, string path, ZipDirectory directory)
    {
        _file = file;
        _path = path;
        _directory = directory;
    }

    /// <summary>The entries by name.</summary>
    public IReadOnlyDictionary<string, ZipEntry> Entries => _directory.Entries;

    /// <summary>Reads the directory of an open file, which is then this object's to close.</summary>
    /// <exception cref="ModelFormatException">The file is no whole zip archive.</exception>
    public static ZipReader Open(SafeFileHandle file, string path) => new(file, path, ZipDirectory.Read(file, path));

    /// <summary>Checks an entry against its own header, and finds its bytes.</summary>
    /// <exception cref="ModelFormatException">The entry is damaged, encrypted or compressed by an unknown method.</exception>
    public ZipContent Find(ZipEntry entry)
    {
        if (entry.IsEncrypted)
            throw Damaged(entry, "is encrypted");
        if (entry.Method is not (ZipDirectory.Stored or ZipDirectory.Deflated))
            throw Damaged(entry, $"is compressed by method {entry.Method}; only stored (0) and deflated (8) entries can be read");
        if (entry.Method == ZipDirectory.Stored && entry.CompressedLength != entry.Length)
            throw Damaged(entry, $"is stored in {entry.CompressedLength} bytes, but claims to have {entry.Length}");
        if (entry.Length / LargestRatio > entry.CompressedLength)
            throw Damaged(entry, $"claims that {entry.CompressedLength} bytes unfold to {entry.Length}, more than deflate can do");

        // The directory was checked to leave room for the bytes, but not for the header before them.
        int nameLength = entry.Name.Length;
        long room = _directory.Offset - entry.HeaderOffset - entry.CompressedLength - HeaderBytes;
        if (room < nameLength)
            throw Damaged(entry, "lies outside of the file");
        byte[] header = new byte[HeaderBytes + nameLength];
        PositionedRead.Fill(_file, entry.HeaderOffset, header, _path);
        int ownNameLength = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(26));
        int extraLength = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(28));
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != HeaderSignature
            || BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(8)) != entry.Method
            || ownNameLength != nameLength
            || Encoding.Latin1.GetString(header, HeaderBytes, nameLength) != entry.Name)
            throw Damaged(entry, "is not where the directory says");
        if (room < nameLength + extraLength)
            throw Damaged(entry, "lies outside of the file");
        return new ZipContent(entry, entry.HeaderOffset + HeaderBytes + nameLength + extraLength);
    }

    /// <summary>Fills a destination from a position of an entry's content.</summary>
    /// <exception cref="ModelFormatException">The content ends before, or its compressed bytes are damaged.</exception>
    public void Read(ZipContent content, long position, Span<byte> destination)
    {
        ZipEntry entry = content.Entry;
        if (position < 0 || position > entry.Length - destination.Length)
            throw Damaged(entry, $"has {entry.Length} bytes and ends before byte {position + destination.Length}");
        if (entry.Method == ZipDirectory.Stored)
        {
            PositionedRead.Fill(_file, content.DataOffset + position, destination, _path);
            return;
        }

        int count;
        try
        {
            count = _cursors.Read(
                entry, () => new RegionStream(_file, content.DataOffset, entry.CompressedLength), position, destination);
        }
        catch (InvalidDataException exception)
        {
            throw Damaged(entry, "is damaged: its compressed bytes cannot be unfolded", exception);
        }

        if (count < destination.Length)
            throw Damaged(entry, $"unfolds to fewer than the {entry.Length} bytes that it claims");
    }

    public void Dispose()
    {
        _cursors.Dispose();
        _file.Dispose();
    }

    private ModelFormatException Damaged(ZipEntry entry, string what, Exception? cause = null) =>
        ZipDirectory.Damaged(_path, $"its entry {MessageText.Quote(entry.Name)} {what}", cause);
}

/// <summary>An entry that was checked, and where its bytes begin in the file.</summary>
internal sealed record ZipContent(ZipEntry Entry, long DataOffset);
