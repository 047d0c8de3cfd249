using System.Security.Cryptography;

namespace PixioCuda.Cli.Jobs;

/// <summary>Reads a file from its beginning to its end and knows its SHA-256 then. What its reader left is read when it is
/// disposed of.</summary>
internal sealed class HashingStream(Stream file) : Stream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>64 hexadecimal digits; null before all was read, or where it could not be.</summary>
    public string? Hash { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => file.Length;

    public override long Position { get => file.Position; set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        int read = file.Read(buffer);
        _hash.AppendData(buffer[..read]);
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <summary>Reads what is left.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void ReadToEnd(CancellationToken cancellationToken = default)
    {
        byte[] block = new byte[1 << 18];
        while (Read(block) > 0)
            cancellationToken.ThrowIfCancellationRequested();
        Hash = Convert.ToHexStringLower(_hash.GetHashAndReset());
    }

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            file.Dispose();
            _hash.Dispose();
        }

        base.Dispose(disposing);
    }
}
