using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PixioCuda.Hub;

/// <summary>The hash that the hub names a file's content by: SHA-256 for large files, git's SHA-1 of a blob for the others.</summary>
/// <param name="Hex">64 or 40 lower-case hexadecimal digits, and so a safe file name.</param>
internal sealed record BlobHash(string Hex)
{
    private const int Sha256Digits = 64;
    private const int Sha1Digits = 40;

    public string Algorithm => Hex.Length == Sha256Digits ? "SHA-256" : "git SHA-1";

    /// <summary>Reads an ETag; null where it is not such a hash.</summary>
    public static BlobHash? FromETag(string? etag)
    {
        string hex = (etag ?? "").Trim();
        if (hex.StartsWith("W/", StringComparison.Ordinal))
            hex = hex[2..];
        hex = hex.Trim('"');
        return hex.Length is Sha256Digits or Sha1Digits && hex.All(char.IsAsciiHexDigitLower) ? new BlobHash(hex) : null;
    }

    /// <summary>Begins to hash a content.</summary>
    /// <param name="byteCount">Its length, which git's hash begins with.</param>
    [SuppressMessage("Security", "CA5350", Justification = "Git's and the hub's choice; the connection is what is trusted.")]
    public IncrementalHash Begin(long byteCount)
    {
        if (Hex.Length == Sha256Digits)
            return IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {byteCount}\0")));
        return hash;
    }
}
