using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights;

/// <summary>What tells a file that somebody writes to from one that is left alone: its length and the time of its last change.</summary>
internal readonly record struct FileStamp(long Length, DateTime LastWriteTimeUtc)
{
    /// <summary>An open file's, now.</summary>
    public static FileStamp Of(SafeFileHandle file) => new(RandomAccess.GetLength(file), File.GetLastWriteTimeUtc(file));

    /// <summary>Throws when the file is no longer as it was.</summary>
    /// <exception cref="ModelFormatException">It was written to.</exception>
    public void ThrowIfChanged(SafeFileHandle file, string path)
    {
        if (Of(file) != this)
        {
            throw new ModelFormatException(
                $"'{path}' was written to while it was read, so that what was read may be of two versions; load it again when it is complete.");
        }
    }
}
