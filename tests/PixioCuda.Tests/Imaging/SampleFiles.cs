using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using PixioCuda.Imaging;
using SkiaSharp;

namespace PixioCuda.Tests.Imaging;

/// <summary>Small files made byte by byte, so that a test can say what is in them and what is wrong with them.</summary>
internal static class SampleFiles
{
    /// <summary>Where a PNG's first chunk behind its header begins.</summary>
    public const int PngHeaderEnd = 33;

    public static byte[] Png(RgbImage image, params ReadOnlySpan<byte[]> chunksAfterHeader) =>
        Png(image, surplusRows: 0, chunksAfterHeader);

    /// <summary>A PNG without filters, whose pixels go on for some rows more than its header needs (or, if negative, end early).</summary>
    public static byte[] Png(RgbImage image, int surplusRows, params ReadOnlySpan<byte[]> chunksAfterHeader)
    {
        using MemoryStream compressed = new();
        using (ZLibStream deflater = new(compressed, CompressionLevel.Optimal, leaveOpen: true))
        {
            int rowBytes = 3 * image.Width;
            for (int y = 0; y < image.Height + surplusRows; y++)
            {
                deflater.WriteByte(0);
                deflater.Write(image.Pixels.Span.Slice(Math.Min(y, image.Height - 1) * rowBytes, rowBytes));
            }
        }

        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, image.Width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), image.Height);
        (header[8], header[9]) = (8, 2);
        return
        [
            0x89, .. "PNG\r\n"u8, 0x1A, (byte)'\n', .. PngChunk("IHDR", header), .. Concatenate(chunksAfterHeader),
            .. PngChunk("IDAT", compressed.ToArray()), .. PngChunk("IEND", []),
        ];
    }

    public static byte[] PngChunk(string type, ReadOnlySpan<byte> payload)
    {
        byte[] chunk = new byte[12 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, payload.Length);
        Encoding.ASCII.GetBytes(type, chunk.AsSpan(4));
        payload.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + payload.Length), SampleChecksum.Crc32(chunk.AsSpan(4, 4 + payload.Length)));
        return chunk;
    }

    /// <summary>Makes the checksums of all chunks right again, as far as the chunks can be followed.</summary>
    public static void MendPngChecksums(Span<byte> png)
    {
        for (long position = 8; position + 12 <= png.Length;)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(png[(int)position..]);
            if (position + 12 + length > png.Length)
                return;
            Span<byte> chunk = png.Slice((int)position, 12 + (int)length);
            BinaryPrimitives.WriteUInt32BigEndian(chunk[^4..], SampleChecksum.Crc32(chunk[4..^4]));
            position += 12 + length;
        }
    }

    /// <summary>A lossless WebP: the bare stream that Skia writes, or, with metadata, the extended form around it.</summary>
    public static byte[] WebP(RgbImage image, byte[]? exif = null)
    {
        using SKBitmap bitmap = new(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        byte[] rgb = image.Pixels.ToArray();
        bitmap.Pixels = [.. Enumerable.Range(0, rgb.Length / 3).Select(i => new SKColor(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]))];
        using SKPixmap pixels = bitmap.PeekPixels();
        using SKData data = pixels.Encode(new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossless, 100))
            ?? throw new InvalidOperationException("Skia did not encode the WebP.");
        byte[] simple = data.ToArray();
        if (exif is null)
            return simple;

        byte[] canvas = new byte[10];
        canvas[0] = 0x08;
        (canvas[4], canvas[7]) = ((byte)(image.Width - 1), (byte)(image.Height - 1));
        byte[] body = [.. "WEBP"u8, .. RiffChunk("VP8X", canvas), .. simple[12..], .. RiffChunk("EXIF", exif)];
        return [.. RiffChunk("RIFF", body)];
    }

    /// <summary>A TIFF structure with a few tags, among them the orientation.</summary>
    public static byte[] Exif(int orientation, bool bigEndian, ushort type = 3)
    {
        byte[] tiff = new byte[8 + 2 + 2 * 12 + 4];
        (bigEndian ? "MM\0*"u8 : "II*\0"u8).CopyTo(tiff);
        Write32(4, 8);
        Write16(8, 2);
        WriteEntry(10, tag: 0x0100, type: 4, value: 640);
        WriteEntry(22, tag: 0x0112, type, orientation);
        return tiff;

        void WriteEntry(int at, ushort tag, ushort type, int value)
        {
            Write16(at, tag);
            Write16(at + 2, type);
            Write32(at + 4, 1);
            if (type == 3)
                Write16(at + 8, (ushort)value);
            else
                Write32(at + 8, value);
        }

        void Write16(int at, ushort value)
        {
            if (bigEndian)
                BinaryPrimitives.WriteUInt16BigEndian(tiff.AsSpan(at), value);
            else
                BinaryPrimitives.WriteUInt16LittleEndian(tiff.AsSpan(at), value);
        }

        void Write32(int at, int value)
        {
            if (bigEndian)
                BinaryPrimitives.WriteInt32BigEndian(tiff.AsSpan(at), value);
            else
                BinaryPrimitives.WriteInt32LittleEndian(tiff.AsSpan(at), value);
        }
    }

    /// <summary>A grey baseline JPEG, one row of 8 x 8 blocks of one level each (192 to 255), with a restart marker behind each block but
    /// the last.</summary>
    public static byte[] JpegWithRestarts(params ReadOnlySpan<byte> levels)
    {
        List<byte> scan = [];
        for (int i = 0; i < levels.Length; i++)
        {
            // 10: seven bits of level follow; the level above 128; 0: no other coefficients; ones fill the byte.
            int bits = 0b10 << 14 | (levels[i] - 128) << 7 | 0 << 6 | 0b111111;
            scan.AddRange([(byte)(bits >> 8), (byte)bits]);
            if (i + 1 < levels.Length)
                scan.AddRange([0xFF, (byte)(0xD0 + i % 8)]);
        }

        return Jpeg(8 * levels.Length, 8, [.. scan], JpegSegment(0xDD, [0, 1]));
    }

    /// <summary>A grey baseline JPEG with the given entropy-coded data.</summary>
    public static byte[] Jpeg(int width, int height, ReadOnlySpan<byte> scan, params ReadOnlySpan<byte[]> segments)
    {
        byte[] quantization = new byte[65];
        quantization.AsSpan(1).Fill(1);
        quantization[1] = 8;
        byte[] averages = [0x00, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 7];
        byte[] details = [0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        return
        [
            0xFF, 0xD8, .. Concatenate(segments), .. JpegSegment(0xDB, quantization), .. JpegSegment(0xC4, averages),
            .. JpegSegment(0xC4, details),
            .. JpegSegment(0xC0, [8, (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width, 1, 1, 0x11, 0]),
            .. JpegSegment(0xDA, [1, 1, 0x00, 0, 63, 0]), .. scan, 0xFF, 0xD9,
        ];
    }

    public static byte[] JpegSegment(byte marker, ReadOnlySpan<byte> payload) =>
        [0xFF, marker, (byte)((payload.Length + 2) >> 8), (byte)(payload.Length + 2), .. payload];

    private static byte[] RiffChunk(string type, ReadOnlySpan<byte> payload)
    {
        byte[] chunk = new byte[8 + payload.Length + (payload.Length & 1)];
        Encoding.ASCII.GetBytes(type, chunk);
        BinaryPrimitives.WriteInt32LittleEndian(chunk.AsSpan(4), payload.Length);
        payload.CopyTo(chunk.AsSpan(8));
        return chunk;
    }

    private static byte[] Concatenate(ReadOnlySpan<byte[]> parts)
    {
        List<byte> all = [];
        foreach (byte[] part in parts)
            all.AddRange(part);
        return [.. all];
    }
}
