using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights;

/// <summary>
/// A file that appears whole or not at all: it is written under a temporary name in the same folder, flushed to the disk, then renamed over
/// the old one. Whatever happens before <see cref="Commit"/>, an earlier file of that name stays as it was.
/// </summary>
internal sealed class AtomicFile : IDisposable
{
    private readonly string _path;
    private readonly string _temporaryPath;
    private readonly SafeFileHandle _file;
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
        RandomAccess.Write(_file, bytes, Length);
        Length += bytes.Length;
    }

    /// <summary>Makes what was written appear under the file's name.</summary>
    public void Commit()
    {
        RandomAccess.FlushToDisk(_file);
        _file.Dispose();
        File.Move(_temporaryPath, _path, overwrite: true);
        _committed = true;
    }

    /// <summary>Removes what was written, unless it was committed.</summary>
    public void Dispose()
    {
        _file.Dispose();
        if (!_committed)
            File.Delete(_temporaryPath);
    }
}
