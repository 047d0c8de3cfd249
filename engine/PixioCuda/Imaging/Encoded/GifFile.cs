using System.Buffers.Binary;

namespace PixioCuda.Imaging.Encoded;

/// <summary>The structure of a GIF file (GIF89a) as far as its first frame.</summary>
internal static class GifFile
{
    private const int ScreenHeaderEnd = 13;
    private const byte HasColorTable = 0x80;
    private const byte HasTransparentColor = 0x01;

    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded, string name)
    {
        if (encoded.Length < ScreenHeaderEnd)
            throw ImageError.Damaged(name, "it ends within its GIF header");

        return new ImageHeader(ImageFormat.Gif, BinaryPrimitives.ReadUInt16LittleEndian(encoded[6..]),
            BinaryPrimitives.ReadUInt16LittleEndian(encoded[8..]), ExifOrientation.Upright);
    }

    /// <summary>Checks that the first frame lies within the picture and within the file. If it has a transparent color, returns a copy of
    /// the file where it has none: alpha is to be dropped, and decoders leave the color of transparent pixels out.</summary>
    public static byte[]? WithoutTransparency(ReadOnlySpan<byte> encoded, string name, ImageHeader header)
    {
        int flags = FindFirstFrame(encoded, name, header);
        if (flags == 0 || (encoded[flags] & HasTransparentColor) == 0)
            return null;

        byte[] opaque = encoded.ToArray();
        opaque[flags] &= unchecked((byte)~HasTransparentColor);
        return opaque;
    }

    /// <returns>The offset of the flags byte of the frame's graphic control extension, or 0 if it has none.</returns>
    private static int FindFirstFrame(ReadOnlySpan<byte> encoded, string name, ImageHeader header)
    {
        int graphicControlFlags = 0;
        bool hasColors = (encoded[10] & HasColorTable) != 0;
        long position = ScreenHeaderEnd + ColorTableSize(encoded[10]);
        while (position + 10 <= encoded.Length)
        {
            ReadOnlySpan<byte> block = encoded[(int)position..];
            switch (block[0])
            {
                case 0x21:
                    if (block[1] == 0xF9 && block[2] == 4)
                        graphicControlFlags = (int)position + 3;
                    position = SkipSubBlocks(encoded, position + 2, name);
                    break;
                case 0x2C:
                    int left = BinaryPrimitives.ReadUInt16LittleEndian(block[1..]),
                        top = BinaryPrimitives.ReadUInt16LittleEndian(block[3..]);
                    int width = BinaryPrimitives.ReadUInt16LittleEndian(block[5..]),
                        height = BinaryPrimitives.ReadUInt16LittleEndian(block[7..]);
                    if (width == 0 || height == 0 || left + width > header.Width || top + height > header.Height)
                        throw ImageError.Damaged(name,
                            $"its first frame ({width} x {height} at {left}, {top}) does not lie within {header.Width} x {header.Height}");
                    if (!hasColors && (block[9] & HasColorTable) == 0)
                        throw ImageError.Damaged(name, "its first frame has no color table");
                    SkipSubBlocks(encoded, position + 10 + ColorTableSize(block[9]) + 1, name);
                    return graphicControlFlags;
                case 0x3B:
                    throw ImageError.Damaged(name, "it holds no frame");
                default:
                    throw ImageError.Damaged(name, $"the block at byte {position} is of an unknown type");
            }
        }

        throw ImageError.Damaged(name, "it ends before its first frame");
    }

    private static int ColorTableSize(byte flags) => (flags & HasColorTable) == 0 ? 0 : 3 * (2 << (flags & 7));

    private static long SkipSubBlocks(ReadOnlySpan<byte> encoded, long position, string name)
    {
        while (position < encoded.Length)
        {
            int length = encoded[(int)position];
            position += 1 + length;
            if (length == 0)
                return position;
        }

        throw ImageError.Damaged(name, "its data go past the end of the file; it may be cut short");
    }
}
