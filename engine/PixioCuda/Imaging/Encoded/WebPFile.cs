using System.Buffers.Binary;

namespace PixioCuda.Imaging.Encoded;

/// <summary>The header of a WebP file (RFC 9649): its size and orientation.</summary>
internal static class WebPFile
{
    private const int FirstChunk = 12;

    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded, string name)
    {
        // The shortest of the three headers ends here (VP8L, up to its sizes).
        if (encoded.Length < FirstChunk + 8 + 5)
            throw ImageError.Damaged(name, "it ends within its WebP header");

        ReadOnlySpan<byte> type = encoded.Slice(FirstChunk, 4);
        ReadOnlySpan<byte> payload = encoded[(FirstChunk + 8)..];
        if (type.SequenceEqual("VP8L"u8) && payload[0] == 0x2F)
        {
            uint bits = BinaryPrimitives.ReadUInt32LittleEndian(payload[1..]);
            return new ImageHeader(ImageFormat.WebP, (int)(bits & 0x3FFF) + 1, (int)(bits >> 14 & 0x3FFF) + 1, ExifOrientation.Upright);
        }

        if (type.SequenceEqual("VP8 "u8) && payload.Length >= 10 && payload[3..].StartsWith((ReadOnlySpan<byte>)[0x9D, 0x01, 0x2A]))
        {
            int width = BinaryPrimitives.ReadUInt16LittleEndian(payload[6..]) & 0x3FFF;
            int height = BinaryPrimitives.ReadUInt16LittleEndian(payload[8..]) & 0x3FFF;
            return new ImageHeader(ImageFormat.WebP, width, height, ExifOrientation.Upright);
        }

        if (type.SequenceEqual("VP8X"u8) && payload.Length >= 10)
        {
            int width = ReadUInt24(payload[4..]) + 1, height = ReadUInt24(payload[7..]) + 1;
            return new ImageHeader(ImageFormat.WebP, width, height, FindOrientation(encoded));
        }

        throw ImageError.Damaged(name, "its first chunk is no WebP picture");
    }

    private static int FindOrientation(ReadOnlySpan<byte> encoded)
    {
        for (long position = FirstChunk; position + 8 <= encoded.Length;)
        {
            ReadOnlySpan<byte> chunk = encoded[(int)position..];
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
            if (chunk.StartsWith("EXIF"u8) && length <= (uint)chunk.Length - 8)
                return ExifOrientation.FromExif(chunk.Slice(8, (int)length));
            position += 8 + (long)length + (length & 1);
        }

        return ExifOrientation.Upright;
    }

    private static int ReadUInt24(ReadOnlySpan<byte> bytes) => bytes[0] | bytes[1] << 8 | bytes[2] << 16;
}
