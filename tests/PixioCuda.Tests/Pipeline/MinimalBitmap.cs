namespace PixioCuda.Tests.Pipeline;

/// <summary>The smallest file that is a picture: a bitmap of 24 bits a pixel.</summary>
internal static class MinimalBitmap
{
    /// <summary>Where the pixels begin.</summary>
    public const int HeaderByteCount = 54;

    /// <summary>A black picture; the width is a multiple of 4.</summary>
    public static byte[] Create(int width, int height)
    {
        byte[] file = new byte[HeaderByteCount + (3 * width * height)];
        "BM"u8.CopyTo(file);
        BitConverter.TryWriteBytes(file.AsSpan(2), file.Length);
        BitConverter.TryWriteBytes(file.AsSpan(10), HeaderByteCount);
        BitConverter.TryWriteBytes(file.AsSpan(14), 40);
        BitConverter.TryWriteBytes(file.AsSpan(18), width);
        BitConverter.TryWriteBytes(file.AsSpan(22), height);
        BitConverter.TryWriteBytes(file.AsSpan(26), (short)1);
        BitConverter.TryWriteBytes(file.AsSpan(28), (short)24);
        return file;
    }
}
