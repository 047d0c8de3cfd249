using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights;

/// <summary>
/// A file that appears whole or not at all: it is written under a temporary name in the same folder, flushed to the disk, then renamed over
/// the old one. Whatever happens before <see cref="Commit"/>, an earlier file of that name stays as it was. What was written goes to the disk
/// while more is written, not all at the end: a checkpoint takes about half the time.
/// </summary>
internal sealed class AtomicFile : IDisposable
{
    private const long WriteBackBytes = 128L << 20;

    // With larger ones, Linux's page cache looks for memory in larger pieces, and takes up to four times as long.
    private const int WriteBytes = 256 << 10;

    private readonly string _path;
    private readonly string _temporaryPath;
    private readonly SafeFileHandle _file;
    private Task _writeBack = Task.CompletedTask;
    private long _writeBackBegan;
    private bool _committed;

    private AtomicFile(string path, string temporaryPath, SafeFileHandle file)
    {
        _path = path;
        _temporaryPath = temporaryPath;
        _file = file;
    }

    /// <summary>The bytes written so far.</summary>
    public long Length { get; private set; }

    /// <summary>Begins a file.</summary>
    /// <param name="path">What it will be called.</param>
    /// <param name="expectedLength">How long it will be, where that is known: a full disk then shows at once.</param>
    /// <exception cref="IOException">The folder is not there, the path is a folder, or the disk is full.</exception>
    public static AtomicFile Create(string path, long expectedLength = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string fullPath = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(fullPath) ?? throw new IOException($"Cannot write '{path}': it is a folder.");
        if (Directory.Exists(fullPath))
            throw new IOException($"Cannot write '{path}': it is a folder.");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"Cannot write '{path}': the folder '{folder}' does not exist.");

        string temporaryPath = Path.Combine(folder, $".{Path.GetFileName(fullPath)}.{Path.GetRandomFileName()}");
        SafeFileHandle file = File.OpenHandle(
            temporaryPath, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, expectedLength);
        return new AtomicFile(fullPath, temporaryPath, file);
    }

    /// <summary>Writes bytes after the last ones.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            ReadOnlySpan<byte> piece = bytes[..Math.Min(bytes.Length, WriteBytes)];
            RandomAccess.Write(_file, piece, Length);
            Length += piece.Length;
            bytes = bytes[piece.Length..];
        }

        if (Length - _writeBackBegan >= WriteBackBytes && _writeBack.IsCompletedSuccessfully)
        {
            _writeBackBegan = Length;
            _writeBack = Task.Run(() => RandomAccess.FlushToDisk(_file));
        }
    }

    /// <summary>Writes bytes over earlier ones.</summary>
    public void Overwrite(long offset, ReadOnlySpan<byte> bytes)
    {
        if (offset + bytes.Length > Length)
            throw new ArgumentException($"{bytes.Length} bytes at {offset} do not lie within the {Length} written.", nameof(bytes));
        RandomAccess.Write(_file, bytes, offset);
    }

    /// <summary>Makes what was written appear under the file's name.</summary>
    /// <exception cref="IOException">The disk did not take everything.</exception>
    public void Commit()
    {
        // The system reports a failed write-back once, to whoever flushed.
        _writeBack.GetAwaiter().GetResult();
        RandomAccess.FlushToDisk(_file);
        _file.Dispose();
        File.Move(_temporaryPath, _path, overwrite: true);
        _committed = true;
    }

    /// <summary>Removes what was written, unless it was committed.</summary>
    public void Dispose()
    {
        // A flush that failed was reported by Commit, or nobody wants the file any more.
        Task.WaitAny(_writeBack);
        _file.Dispose();
        if (!_committed)
            File.Delete(_temporaryPath);
    }
}
