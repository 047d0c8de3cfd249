namespace PixioCuda.Cli.Output;

/// <summary>A file that appears under its name whole or not at all: written under a temporary name beside it, flushed to the disk,
/// renamed.</summary>
internal sealed class OutputFile : IDisposable
{
    private readonly string _path;
    private readonly FileStream _stream;

    private OutputFile(string path, FileStream stream)
    {
        _path = path;
        _stream = stream;
    }

    /// <summary>What has been written so far.</summary>
    public Stream Content => _stream;

    public static OutputFile Create(string path)
    {
        string fullPath = Path.GetFullPath(path);
        string temporaryPath = Path.Combine(Path.GetDirectoryName(fullPath)!, $".{Path.GetFileName(fullPath)}.{Path.GetRandomFileName()}");
        return new OutputFile(fullPath, new FileStream(temporaryPath, FileMode.CreateNew, FileAccess.ReadWrite));
    }

    /// <summary>Gives the file its name.</summary>
    public void Commit()
    {
        _stream.Flush(flushToDisk: true);
        _stream.Dispose();
        File.Move(_stream.Name, _path, overwrite: true);
    }

    /// <summary>Removes what was written, unless it was committed.</summary>
    public void Dispose()
    {
        _stream.Dispose();
        File.Delete(_stream.Name);
    }

    /// <summary>Finds out before the work whether an output can be written after it.</summary>
    /// <param name="path">What the user asks for.</param>
    /// <param name="extensions">What it may end in.</param>
    /// <returns>The ending that it has, in lower case.</returns>
    /// <exception cref="UsageException">It is of another kind, a folder, or in a folder that does not exist.</exception>
    public static string CheckPath(string path, params string[] extensions) => CheckPath("--output", path, extensions);

    /// <inheritdoc cref="CheckPath(string, string[])"/>
    /// <param name="option">By which the user asks for it.</param>
    /// <param name="path">What the user asks for.</param>
    /// <param name="extensions">What it may end in.</param>
    public static string CheckPath(string option, string path, string[] extensions)
    {
        string extension = Path.GetExtension(path).ToLowerInvariant();
        if (!extensions.Contains(extension))
            throw new UsageException(
                $"{option} must end in {string.Join(" or ", extensions)}, which says what is written; '{path}' does not.");
        if (Directory.Exists(path))
            throw new UsageException($"{option} '{path}' is a folder.");
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(folder))
            throw new UsageException($"{option} '{path}' is in a folder that does not exist; make it first.");
        return extension;
    }
}
