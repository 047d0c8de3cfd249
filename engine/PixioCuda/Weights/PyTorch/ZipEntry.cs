namespace PixioCuda.Weights.PyTorch;

/// <summary>What a zip archive's central directory says of one entry.</summary>
/// <param name="Name">The name, with '/' between its parts. It is only looked up: nothing is ever unpacked to a path.</param>
/// <param name="Method">How the bytes are stored: <see cref="ZipDirectory.Stored"/>, <see cref="ZipDirectory.Deflated"/> or
/// another.</param>
/// <param name="IsEncrypted">Whether the bytes are encrypted.</param>
/// <param name="CompressedLength">The bytes in the file.</param>
/// <param name="Length">The bytes of the content.</param>
/// <param name="HeaderOffset">Where the entry's own header begins in the file.</param>
internal sealed record ZipEntry(string Name, ushort Method, bool IsEncrypted, long CompressedLength, long Length, long HeaderOffset);
