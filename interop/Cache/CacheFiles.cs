namespace PixioCuda.Interop;

/// <summary>The files of a cache's folder.</summary>
internal sealed class CacheFiles
{
    private const string TemporaryExtension = ".tmp";

    private readonly Func<string, Stream> _createFile;

    public CacheFiles(string folder, Func<string, Stream>? createFile = null)
    {
        Folder = folder;
        _createFile = createFile ?? CreateFile;
        RemoveAbandoned();
    }

    public string Folder { get; }

    /// <summary>The name of an entry.</summary>
    public static string NameOf(KernelKey key, Version compiler) => $"{key.Hex}-nvrtc{compiler.Major}.{compiler.Minor}.cubin";

    /// <summary>The entries of a key, the newest compiler's first.</summary>
    public IReadOnlyList<string> NamesOf(KernelKey key)
    {
        string prefix = $"{key.Hex}-nvrtc", suffix = ".cubin";
        try
        {
            return [.. Directory.EnumerateFiles(Folder, prefix + "*" + suffix)
                .Select(path => Path.GetFileName(path))
                .Where(name => Version.TryParse(name.AsSpan(prefix.Length, name.Length - prefix.Length - suffix.Length), out _))
                .OrderByDescending(name => Version.Parse(name.AsSpan(prefix.Length, name.Length - prefix.Length - suffix.Length)))];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Reads an entry.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="unreadable">Whether it is there and cannot be read, or is longer than any entry.</param>
    /// <returns>Its bytes, or null.</returns>
    public byte[]? Read(string name, out bool unreadable)
    {
        unreadable = false;
        try
        {
            using var file = new FileStream(
                Path.Combine(Folder, name), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            if (file.Length <= CacheEntry.MaximumByteCount)
            {
                byte[] bytes = new byte[file.Length];
                file.ReadExactly(bytes);
                return bytes;
            }
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Said below.
        }

        unreadable = true;
        return null;
    }

    /// <summary>Writes an entry under a temporary name and renames it; an earlier entry of that name is replaced.</summary>
    /// <returns>Null, or why it was not written: a sentence.</returns>
    public string? Write(string name, ReadOnlySpan<byte> bytes)
    {
        string temporary = Path.Combine(Folder, $".{name}.{Path.GetRandomFileName()}{TemporaryExtension}");
        try
        {
            // No flush to the disk: after a power cut, the checksum finds what is incomplete, and it is compiled again.
            using (Stream file = _createFile(temporary))
                file.Write(bytes);
            File.Move(temporary, Path.Combine(Folder, name), overwrite: true);
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Delete(temporary);
            return exception.Message;
        }
    }

    private static FileStream CreateFile(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }

    // What a process left that ended while it wrote.
    private void RemoveAbandoned()
    {
        try
        {
            foreach (string path in Directory.EnumerateFiles(Folder, ".*" + TemporaryExtension))
            {
                if (DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > TimeSpan.FromHours(1))
                    Delete(path);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A folder that may only be read is cleaned by whoever owns it.
        }
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A folder that cannot be written to cannot be tidied either.
        }
    }
}
