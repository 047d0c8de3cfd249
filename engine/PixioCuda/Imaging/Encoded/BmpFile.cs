using System.Buffers.Binary;

namespace PixioCuda.Imaging.Encoded;

/// <summary>The structure of a BMP file: its sizes and where its rows lie.</summary>
internal static class BmpFile
{
    private const int FileHeaderSize = 14;
    private const int CoreHeaderSize = 12;
    private const int InfoHeaderSize = 40;
    private const int CompressionNone = 0;
    private const int CompressionBitFields = 3;

    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded, string name)
    {
        if (encoded.Length < FileHeaderSize + CoreHeaderSize)
            throw ImageError.Damaged(name, "it ends within its BMP header");

        int headerSize = BinaryPrimitives.ReadInt32LittleEndian(encoded[FileHeaderSize..]);
        if (headerSize == CoreHeaderSize)
        {
            return new ImageHeader(ImageFormat.Bmp, BinaryPrimitives.ReadUInt16LittleEndian(encoded[18..]),
                BinaryPrimitives.ReadUInt16LittleEndian(encoded[20..]), ExifOrientation.Upright);
        }

        if (headerSize is < InfoHeaderSize or > 124)
            throw ImageError.Damaged(name, $"BMP has no header of {headerSize} bytes");
        if (encoded.Length < FileHeaderSize + headerSize)
            throw ImageError.Damaged(name, "it ends within its BMP header");

        int width = BinaryPrimitives.ReadInt32LittleEndian(encoded[18..]);
        int height = BinaryPrimitives.ReadInt32LittleEndian(encoded[22..]);
        if (height == int.MinValue)
            throw ImageError.Damaged(name, $"its header claims {width} x {height} pixels");

        // A negative height says that the rows go from top to bottom.
        return new ImageHeader(ImageFormat.Bmp, width, Math.Abs(height), ExifOrientation.Upright);
    }

    /// <summary>Checks that the kind is one that the built-in decoder knows, and that the file holds all rows.</summary>
    public static void CheckSound(ReadOnlySpan<byte> encoded, string name, ImageHeader header)
    {
        int headerSize = BinaryPrimitives.ReadInt32LittleEndian(encoded[FileHeaderSize..]);
        bool isCore = headerSize == CoreHeaderSize;
        int bitsPerPixel = BinaryPrimitives.ReadUInt16LittleEndian(encoded[(isCore ? 24 : 28)..]);
        int compression = isCore ? CompressionNone : BinaryPrimitives.ReadInt32LittleEndian(encoded[30..]);
        if (headerSize is not (12 or 40 or 56 or 108 or 124) || compression is not (CompressionNone or CompressionBitFields)
            || bitsPerPixel is not (1 or 4 or 8 or 16 or 24 or 32))
        {
            throw ImageError.Unsupported(name,
                $"BMP with a header of {headerSize} bytes, {bitsPerPixel} bits per pixel and compression {compression} is not known");
        }

        uint dataOffset = BinaryPrimitives.ReadUInt32LittleEndian(encoded[10..]);
        long rowBytes = ((long)header.Width * bitsPerPixel + 31) / 32 * 4;
        if (dataOffset < FileHeaderSize + (uint)headerSize || dataOffset + checked(rowBytes * header.Height) > encoded.Length)
            throw ImageError.Damaged(name,
                $"{header.Height} rows of {rowBytes} bytes from byte {dataOffset} on go past the end of the file; it may be cut short");
    }
}
