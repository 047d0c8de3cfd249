using System.Runtime.InteropServices;

namespace PixioCuda.Pipeline;

/// <summary>What a user's word for pictures turns out to be.</summary>
internal enum PictureInputKind
{
    /// <summary>One picture.</summary>
    File,

    /// <summary>A tar file with pictures in it.</summary>
    Tar,
}

/// <summary>A file that pictures come from.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="FilePath">Where it is, in the words in which it was named; the picture's id, or the beginning of the ids in a tar
/// file.</param>
internal sealed record PictureInput(PictureInputKind Kind, string FilePath)
{
    private static readonly string[] Extensions = [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp"];

    /// <summary>Whether a name ends as a picture's does; in folders and tar files everything else is left alone.</summary>
    public static bool IsPictureName(string name) => HasExtension(name, Extensions);

    /// <summary>Whether a name ends as a tar file's does.</summary>
    public static bool IsTarName(string name) => HasExtension(name, [".tar"]);

    /// <summary>Whether a word stands for something other than one file, so that nobody vouches for each of its pictures.</summary>
    public static bool StandsForSeveral(string word) =>
        Directory.Exists(word) || (!File.Exists(word) && (word.Contains('{', StringComparison.Ordinal) || GlobPattern.IsPattern(word)))
        || IsTarName(word);

    /// <summary>The files that a word stands for: a file, a folder with all that is below it, a name with braces, or a pattern with
    /// <c>*</c>, <c>?</c>, <c>[...]</c> and <c>**</c>. What exists under the word itself is meant before any pattern.</summary>
    /// <remarks>The order is that of the whole paths by their UTF-16 units, whatever the file system gives. One folder's names are held in
    /// memory at a time, and those of the folders above it. Names that begin with a dot are left out, links to folders are not
    /// followed.</remarks>
    /// <exception cref="PictureSourceException">A folder cannot be read, a pattern fits nothing, or its braces make no sense.</exception>
    public static IEnumerable<PictureInput> Resolve(string word)
    {
        if (File.Exists(word))
            return [Named(word)];
        if (Directory.Exists(word))
            return Folder(word);
        if (word.Contains('{', StringComparison.Ordinal))
        {
            return BracePattern.Expand(word).SelectMany(name =>
                Directory.Exists(name) || GlobPattern.IsPattern(name) ? Resolve(name) : [Named(name)]);
        }

        return GlobPattern.IsPattern(word) ? Glob(word) : [Named(word)];
    }

    private static PictureInput Named(string path) => new(IsTarName(path) ? PictureInputKind.Tar : PictureInputKind.File, path);

    private static IEnumerable<PictureInput> Folder(string folder)
    {
        foreach ((string path, bool isFolder) in Children(folder))
        {
            if (isFolder)
            {
                foreach (PictureInput input in Folder(path))
                    yield return input;
            }
            else if (IsPictureName(path) || IsTarName(path))
            {
                yield return Named(path);
            }
        }
    }

    private static IEnumerable<PictureInput> Glob(string pattern)
    {
        string root = Path.GetPathRoot(pattern)!;
        string[] segments = pattern[root.Length..].Split('/', StringSplitOptions.RemoveEmptyEntries);
        bool found = false;
        foreach (PictureInput input in Glob(root, segments))
        {
            found = true;
            yield return input;
        }

        if (!found)
            throw new PictureSourceException($"No picture and no tar file fits the pattern '{pattern}'.");
    }

    private static IEnumerable<PictureInput> Glob(string folder, ReadOnlyMemory<string> segments)
    {
        string segment = segments.Span[0];
        bool isLast = segments.Length == 1;
        if (!isLast && !GlobPattern.IsPattern(segment))
        {
            string next = Path.Combine(folder, segment);
            return Directory.Exists(next) ? Glob(next, segments[1..]) : [];
        }

        return segment == GlobPattern.AnyFolders ? GlobAnyFolders(folder, segments) : GlobChildren(folder, segment, segments[1..]);
    }

    private static IEnumerable<PictureInput> GlobChildren(string folder, string segment, ReadOnlyMemory<string> rest)
    {
        foreach ((string path, bool isFolder) in Children(folder))
        {
            if (!GlobPattern.Matches(segment, Path.GetFileName(path.AsSpan())))
                continue;
            IEnumerable<PictureInput> inputs = rest.Length > 0 ? isFolder ? Glob(path, rest) : []
                : isFolder ? Folder(path)
                : IsPictureName(path) || IsTarName(path) ? [Named(path)] : [];
            foreach (PictureInput input in inputs)
                yield return input;
        }
    }

    /// <summary>Whatever is below a folder and ends as the rest of the pattern says. Every file is met once and in order, however many ways
    /// the pattern fits it.</summary>
    private static IEnumerable<PictureInput> GlobAnyFolders(string folder, ReadOnlyMemory<string> segments)
    {
        string[] pattern = [.. MemoryMarshal.ToEnumerable(segments)];
        int skipped = folder.Length == 0 || folder.EndsWith('/') ? folder.Length : folder.Length + 1;
        foreach (PictureInput input in Folder(folder))
        {
            string[] names = input.FilePath[skipped..].Split('/');
            if (Fits(pattern, names))
                yield return input;
        }
    }

    private static bool Fits(ReadOnlySpan<string> pattern, ReadOnlySpan<string> names)
    {
        // fits[n]: whether the segments so far fit the first n names.
        bool[] fits = new bool[names.Length + 1];
        fits[0] = true;
        foreach (string segment in pattern)
        {
            bool[] next = new bool[fits.Length];
            next[0] = segment == GlobPattern.AnyFolders && fits[0];
            for (int n = 1; n < fits.Length; n++)
            {
                next[n] = segment == GlobPattern.AnyFolders
                    ? fits[n] || next[n - 1]
                    : fits[n - 1] && GlobPattern.Matches(segment, names[n - 1]);
            }

            fits = next;
        }

        return fits[^1];
    }

    /// <summary>What lies in a folder, in the order of whole paths: a folder's name counts with the slash that follows it.</summary>
    private static List<(string Path, bool IsFolder)> Children(string folder)
    {
        try
        {
            List<(string Path, bool IsFolder)> children = [];
            DirectoryInfo info = new(folder.Length == 0 ? "." : folder);
            EnumerationOptions all = new() { AttributesToSkip = 0, IgnoreInaccessible = false };
            foreach (FileSystemInfo child in info.EnumerateFileSystemInfos("*", all))
            {
                bool isFolder = child.Attributes.HasFlag(FileAttributes.Directory);
                if (child.Name.StartsWith('.') || (isFolder && child.LinkTarget is not null))
                    continue;
                children.Add((Path.Combine(folder, child.Name), isFolder));
            }

            children.Sort((left, right) => string.CompareOrdinal(Key(left), Key(right)));
            return children;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PictureSourceException($"The folder '{folder}' cannot be read: {exception.Message}", exception);
        }

        static string Key((string Path, bool IsFolder) child) => child.IsFolder ? $"{child.Path}/" : child.Path;
    }

    private static bool HasExtension(string name, ReadOnlySpan<string> extensions)
    {
        ReadOnlySpan<char> extension = Path.GetExtension(name.AsSpan());
        foreach (string known in extensions)
        {
            if (extension.Equals(known, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }
}
