using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Hub;

/// <summary>A blob that grows on the disk and is hashed as it does. The file is held exclusively: even where locks mean nothing, two
/// programs do not write into one blob.</summary>
internal sealed class BlobSink : IDisposable
{
    private const int BlockBytes = 1 << 20;

    // Below it, handing the work to other threads costs more than the work.
    private const int SmallBlock = 1 << 16;

    private readonly HubFile _file;
    private readonly SafeFileHandle _handle;
    private IncrementalHash _hash;

    private BlobSink(HubFile file, SafeFileHandle handle)
    {
        _file = file;
        _handle = handle;
        _hash = file.Hash.Begin(file.ByteCount);
    }

    /// <summary>The bytes that are in place and hashed.</summary>
    public long Length { get; private set; }

    /// <summary>Opens what there is of a blob and hashes it.</summary>
    /// <exception cref="IOException">Another process has it open (see <see cref="HubLock.IsHeld"/>), or the disk fails.</exception>
    public static BlobSink Open(string path, HubFile file, CancellationToken cancellationToken)
    {
        SafeFileHandle handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        BlobSink sink = new(file, handle);
        try
        {
            sink.HashWhatIsThere(cancellationToken);
            return sink;
        }
        catch
        {
            sink.Dispose();
            throw;
        }
    }

    /// <summary>Writes and hashes bytes after the last ones, both at once.</summary>
    /// <exception cref="IOException">The disk is full.</exception>
    public async Task AppendAsync(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length <= SmallBlock)
        {
            RandomAccess.Write(_handle, bytes.Span, Length);
            _hash.AppendData(bytes.Span);
        }
        else
        {
            var hashed = Task.Run(() => _hash.AppendData(bytes.Span));
            var written = Task.Run(() => RandomAccess.Write(_handle, bytes.Span, Length));
            await Task.WhenAll(hashed, written).ConfigureAwait(false);
        }

        Length += bytes.Length;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        RandomAccess.SetLength(_handle, 0);
        Length = 0;
        _hash.Dispose();
        _hash = _file.Hash.Begin(_file.ByteCount);
    }

    /// <summary>The hash of all that was appended, as the hub writes it.</summary>
    public string FinishHash() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    public void Dispose()
    {
        _hash.Dispose();
        _handle.Dispose();
    }

    private void HashWhatIsThere(CancellationToken cancellationToken)
    {
        long length = RandomAccess.GetLength(_handle);
        if (length > _file.ByteCount)
        {
            Clear();
            return;
        }

        byte[] block = new byte[(int)Math.Min(BlockBytes, length)];
        while (Length < length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = RandomAccess.Read(_handle, block, Length);
            if (count == 0)
                return;
            _hash.AppendData(block.AsSpan(0, count));
            Length += count;
        }
    }
}
