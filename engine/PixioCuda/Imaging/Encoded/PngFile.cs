using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;

namespace PixioCuda.Imaging.Encoded;

/// <summary>The structure of a PNG file (W3C PNG, third edition): chunks, sizes, and the length of the compressed pixels.</summary>
internal static class PngFile
{
    private const int ChunkOverhead = 12;
    private const int HeaderEnd = 8 + ChunkOverhead + 13;

    // Encoders that pad the compressed pixels exist; a stream that goes on for longer than this is a bomb, not padding.
    private const int SurplusAllowed = 1 << 16;

    public static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    public static ImageHeader ReadHeader(ReadOnlySpan<byte> encoded, string name)
    {
        if (encoded.Length < HeaderEnd || BinaryPrimitives.ReadUInt32BigEndian(encoded[8..]) != 13
            || !encoded[12..16].SequenceEqual("IHDR"u8))
            throw ImageError.Damaged(name, "its PNG header chunk (IHDR) is missing");

        uint width = BinaryPrimitives.ReadUInt32BigEndian(encoded[16..]);
        uint height = BinaryPrimitives.ReadUInt32BigEndian(encoded[20..]);
        if (width > int.MaxValue || height > int.MaxValue)
            throw ImageError.Damaged(name, $"its header claims {width} x {height} pixels, and PNG ends at {int.MaxValue}");

        int orientation = ExifOrientation.Upright;
        for (int position = HeaderEnd; TryReadChunk(encoded, position, out PngChunk chunk); position += ChunkOverhead + chunk.Length)
        {
            if (chunk.IsType("eXIf"u8))
            {
                orientation = ExifOrientation.FromTiff(encoded.Slice(position + 8, chunk.Length));
                break;
            }
        }

        return new ImageHeader(ImageFormat.Png, (int)width, (int)height, orientation);
    }

    /// <summary>Checks everything that a trusting decoder would take on faith: the chunks' lengths, the checksums of those that shape the
    /// picture, and that the compressed pixels inflate to exactly what the header needs.</summary>
    public static unsafe void CheckSound(ReadOnlySpan<byte> encoded, string name, ImageHeader header)
    {
        int bitDepth = encoded[24], colorType = encoded[25];
        if (!IsKnownPixelType(bitDepth, colorType))
            throw ImageError.Damaged(name, $"PNG has no color type {colorType} with {bitDepth} bits");
        if (encoded[26] != 0 || encoded[27] != 0 || encoded[28] > 1)
            throw ImageError.Damaged(name, $"PNG has no compression {encoded[26]}, filter {encoded[27]}, interlacing {encoded[28]}");

        List<(int Offset, int Length)> data = [];
        bool hasPalette = false, ended = false;
        for (int position = Signature.Length; !ended;)
        {
            if (!TryReadChunk(encoded, position, out PngChunk chunk))
                throw ImageError.Damaged(name, $"the chunk at byte {position} goes past the end of the file; it may be cut short");

            if (chunk.IsType("IDAT"u8))
            {
                data.Add((position + 8, chunk.Length));
            }
            else if (chunk.IsType("IHDR"u8) || chunk.IsType("PLTE"u8) || chunk.IsType("tRNS"u8))
            {
                // Pixels are covered by the checksum inside the zlib stream; these chunks have only their own.
                ReadOnlySpan<byte> typeAndPayload = encoded.Slice(position + 4, 4 + Math.Min(chunk.Length, 1024));
                uint stored = BinaryPrimitives.ReadUInt32BigEndian(encoded[(position + 8 + chunk.Length)..]);
                if (chunk.Length > 1024 || Crc32(typeAndPayload) != stored)
                    throw ImageError.Damaged(name, $"the checksum of the chunk at byte {position} is wrong");
                hasPalette |= chunk.IsType("PLTE"u8);
            }
            else if (chunk.IsType("IEND"u8))
            {
                ended = true;
            }
            else if (chunk.IsCritical)
            {
                throw ImageError.Damaged(name, $"the chunk at byte {position} is of an unknown type");
            }

            position += ChunkOverhead + chunk.Length;
        }

        if (colorType == 3 && !hasPalette)
            throw ImageError.Damaged(name, "its palette is missing");
        if (data.Count == 0)
            throw ImageError.Damaged(name, "it holds no pixels");

        int bitsPerPixel = bitDepth * (colorType switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 });
        long expected = InflatedLength(header.Width, header.Height, bitsPerPixel, interlaced: encoded[28] == 1);
        fixed (byte* start = encoded)
        {
            using PieceStream pieces = new(start, data);
            CheckInflatedLength(pieces, expected, name);
        }
    }

    private static void CheckInflatedLength(PieceStream compressed, long expected, string name)
    {
        byte[] scratch = ArrayPool<byte>.Shared.Rent(1 << 16);
        long inflated = 0;
        try
        {
            using ZLibStream inflater = new(compressed, CompressionMode.Decompress);
            for (int read; (read = inflater.Read(scratch)) > 0;)
            {
                inflated += read;
                if (inflated > expected + SurplusAllowed)
                    throw ImageError.Damaged(name, $"its pixels inflate to more than the {expected} bytes that its header needs");
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            throw ImageError.Damaged(name, "its compressed pixels are wrong", exception);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }

        if (inflated < expected)
            throw ImageError.Damaged(name, $"its pixels inflate to {inflated} bytes, and its header needs {expected}; it may be cut short");
    }

    private static bool IsKnownPixelType(int bitDepth, int colorType) => colorType switch
    {
        0 => bitDepth is 1 or 2 or 4 or 8 or 16,
        3 => bitDepth is 1 or 2 or 4 or 8,
        2 or 4 or 6 => bitDepth is 8 or 16,
        _ => false,
    };

    /// <summary>Each row of each pass is one filter byte and its bits, rounded up to bytes.</summary>
    private static long InflatedLength(int width, int height, int bitsPerPixel, bool interlaced)
    {
        if (!interlaced)
            return PassLength(width, height);

        // Adam7: where each pass begins, and how far apart its pixels lie.
        ReadOnlySpan<(int X, int Y, int StepX, int StepY)> passes =
            [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
        long length = 0;
        foreach ((int x, int y, int stepX, int stepY) in passes)
            length += PassLength(((long)width - x + stepX - 1) / stepX, ((long)height - y + stepY - 1) / stepY);
        return length;

        long PassLength(long columns, long rows) => columns <= 0 || rows <= 0 ? 0 : checked(rows * (1 + (columns * bitsPerPixel + 7) / 8));
    }

    private static bool TryReadChunk(ReadOnlySpan<byte> encoded, int position, out PngChunk chunk)
    {
        chunk = default;
        if (encoded.Length - position < ChunkOverhead)
            return false;

        uint length = BinaryPrimitives.ReadUInt32BigEndian(encoded[position..]);
        chunk = new PngChunk((int)length, BinaryPrimitives.ReadUInt32BigEndian(encoded[(position + 4)..]));
        return length <= (uint)(encoded.Length - position - ChunkOverhead);
    }

    /// <summary>The CRC-32 of PNG, bit by bit: it is asked for only a few hundred bytes of a file.</summary>
    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
        }

        return ~crc;
    }

    private readonly record struct PngChunk(int Length, uint Type)
    {
        /// <summary>Bit 5 of the first letter: upper case is critical.</summary>
        public bool IsCritical => (Type & 0x2000_0000) == 0;

        public bool IsType(ReadOnlySpan<byte> type) => Type == BinaryPrimitives.ReadUInt32BigEndian(type);
    }
}
