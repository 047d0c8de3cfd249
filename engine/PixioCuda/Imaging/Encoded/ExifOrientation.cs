using System.Buffers.Binary;

namespace PixioCuda.Imaging.Encoded;

/// <summary>The orientation tag of EXIF metadata (CIPA DC-008: a TIFF structure). Damaged metadata count as none, as everywhere else:
/// they say nothing about the pixels.</summary>
internal static class ExifOrientation
{
    /// <summary>The orientation of a picture whose first row is the top and whose first column is the left.</summary>
    public const int Upright = 1;

    private const int EntrySize = 12;
    private const ushort OrientationTag = 0x0112;
    private const ushort TypeShort = 3;
    private const ushort TypeLong = 4;

    /// <summary>Whether a picture of this orientation has its rows and columns exchanged.</summary>
    public static bool SwapsSides(int orientation) => orientation >= 5;

    /// <summary>The orientation, 1 to 8, from the payload of a JPEG's APP1 segment or a WebP's EXIF chunk, which may begin with
    /// "Exif".</summary>
    public static int FromExif(ReadOnlySpan<byte> payload) =>
        FromTiff(payload.StartsWith("Exif\0"u8) && payload.Length >= 6 ? payload[6..] : payload);

    /// <summary>The orientation, 1 to 8, from a TIFF structure.</summary>
    public static int FromTiff(ReadOnlySpan<byte> tiff)
    {
        bool littleEndian = tiff.StartsWith("II*\0"u8);
        if (tiff.Length < 8 || (!littleEndian && !tiff.StartsWith("MM\0*"u8)))
            return Upright;

        uint directory = ReadUInt32(tiff[4..], littleEndian);
        if (directory > (uint)tiff.Length - 2)
            return Upright;

        int entryCount = ReadUInt16(tiff[(int)directory..], littleEndian);
        ReadOnlySpan<byte> entries = tiff[((int)directory + 2)..];
        for (int i = 0; i < entryCount && entries.Length >= EntrySize; i++, entries = entries[EntrySize..])
        {
            if (ReadUInt16(entries, littleEndian) != OrientationTag)
                continue;

            uint value = ReadUInt16(entries[2..], littleEndian) switch
            {
                TypeShort => ReadUInt16(entries[8..], littleEndian),
                TypeLong => ReadUInt32(entries[8..], littleEndian),
                _ => Upright,
            };
            return value is >= 1 and <= 8 ? (int)value : Upright;
        }

        return Upright;
    }

    private static ushort ReadUInt16(ReadOnlySpan<byte> bytes, bool littleEndian) =>
        littleEndian ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);

    private static uint ReadUInt32(ReadOnlySpan<byte> bytes, bool littleEndian) =>
        littleEndian ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : BinaryPrimitives.ReadUInt32BigEndian(bytes);
}
