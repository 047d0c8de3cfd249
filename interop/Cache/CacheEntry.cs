using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace PixioCuda.Interop;

/// <summary>
/// A compiled kernel as a file, little-endian:
/// magic "PIXIOCUB" | format 1 (u32) | compiler's major, minor (u32 each) | architecture's major, minor, suffix (u32 each, the suffix as
/// one character or 0) | bytes of the log (u32) | bytes of the CUBIN (u32) | key (32 bytes) | SHA-256 of all else (32 bytes) | log | CUBIN.
/// </summary>
internal static class CacheEntry
{
    /// <summary>Longer files are damaged: no kernel comes near this size.</summary>
    public const long MaximumByteCount = 64 << 20;

    private const uint Format = 1;
    private const int KeyOffset = 40;
    private const int ChecksumOffset = KeyOffset + 32;
    private const int HeaderByteCount = ChecksumOffset + 32;

    private static ReadOnlySpan<byte> Magic => "PIXIOCUB"u8;

    /// <summary>The file's bytes.</summary>
    public static byte[] Write(KernelKey key, CompiledKernel kernel)
    {
        byte[] log = Encoding.UTF8.GetBytes(kernel.Log);
        byte[] file = new byte[HeaderByteCount + log.Length + kernel.Cubin.Length];
        Span<byte> bytes = file;
        Magic.CopyTo(bytes);
        ReadOnlySpan<uint> numbers =
        [
            Format, (uint)kernel.CompilerVersion.Major, (uint)kernel.CompilerVersion.Minor, (uint)kernel.Architecture.Major,
            (uint)kernel.Architecture.Minor, kernel.Architecture.Suffix.Length == 0 ? 0u : kernel.Architecture.Suffix[0], (uint)log.Length,
            (uint)kernel.Cubin.Length,
        ];
        for (int index = 0; index < numbers.Length; index++)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[(8 + (4 * index))..], numbers[index]);
        Convert.FromHexString(key.Hex).CopyTo(bytes[KeyOffset..]);
        log.CopyTo(bytes[HeaderByteCount..]);
        kernel.Cubin.CopyTo(bytes[(HeaderByteCount + log.Length)..]);
        Checksum(bytes).CopyTo(bytes[ChecksumOffset..]);
        return file;
    }

    /// <summary>Reads a file.</summary>
    /// <param name="file">Its bytes.</param>
    /// <param name="key">The key that it must be of.</param>
    /// <param name="kernel">What is in it.</param>
    /// <returns>Null, or what is wrong with it: a clause that fits after "because".</returns>
    public static string? Read(ReadOnlySpan<byte> file, KernelKey key, out CompiledKernel? kernel)
    {
        kernel = null;
        if (file.Length < HeaderByteCount)
            return "it is cut short";
        if (!file.StartsWith(Magic) || Number(file, 0) != Format)
            return "it is no entry of this cache's format";
        uint logLength = Number(file, 6), cubinLength = Number(file, 7);
        if (HeaderByteCount + (long)logLength + cubinLength != file.Length)
            return "its length is not the one that it states";
        if (!Checksum(file).AsSpan().SequenceEqual(file.Slice(ChecksumOffset, 32)))
            return "its checksum is wrong";
        if (!Convert.FromHexString(key.Hex).AsSpan().SequenceEqual(file.Slice(KeyOffset, 32)))
            return "it is another kernel's";
        uint suffix = Number(file, 5);
        kernel = new CompiledKernel(
            file.Slice(HeaderByteCount + (int)logLength).ToArray(),
            Encoding.UTF8.GetString(file.Slice(HeaderByteCount, (int)logLength)),
            new GpuArchitecture((int)Number(file, 3), (int)Number(file, 4), suffix == 0 ? "" : ((char)suffix).ToString()),
            new Version((int)Number(file, 1), (int)Number(file, 2)))
        { FromCache = true };
        return null;
    }

    private static uint Number(ReadOnlySpan<byte> file, int index) => BinaryPrimitives.ReadUInt32LittleEndian(file[(8 + (4 * index))..]);

    private static byte[] Checksum(ReadOnlySpan<byte> file)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(file[..ChecksumOffset]);
        hash.AppendData(file[HeaderByteCount..]);
        return hash.GetHashAndReset();
    }
}
