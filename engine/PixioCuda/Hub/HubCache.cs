using PixioCuda.Weights;

namespace PixioCuda.Hub;

/// <summary>
/// One repository in the cache, in the layout of Python's huggingface_hub: <c>blobs/HASH</c> holds contents,
/// <c>snapshots/COMMIT/FILE</c> are relative links to them, <c>refs/REVISION</c> names a commit, <c>.no_exist/COMMIT/FILE</c> marks what a
/// commit does not have, and <c>.locks</c> beside the repositories holds a lock for each blob.
/// </summary>
internal sealed class HubCache(string cacheFolder, string repository)
{
    private const int LongestRef = 256;

    private readonly string _folderName = $"models--{repository.Replace("/", "--", StringComparison.Ordinal)}";

    public string Root => Path.Combine(cacheFolder, _folderName);

    public string SnapshotFolder(string commit) => Path.Combine(Root, "snapshots", commit);

    public string SnapshotFile(string commit, string file) => Path.Combine(SnapshotFolder(commit), file);

    public string Blob(BlobHash hash) => Path.Combine(Root, "blobs", hash.Hex);

    /// <summary>Where a blob grows; another program that downloads the same goes on with it.</summary>
    public string IncompleteBlob(BlobHash hash) => $"{Blob(hash)}.incomplete";

    public string LockFile(BlobHash hash) => Path.Combine(cacheFolder, ".locks", _folderName, $"{hash.Hex}.lock");

    /// <summary>Whether a commit's snapshot holds a file, and not only a link whose blob is gone.</summary>
    public bool Holds(string commit, string file)
    {
        string path = SnapshotFile(commit, file);
        return File.Exists(path) && new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true) is not { Exists: false };
    }

    /// <summary>Whether a commit is known not to have a file.</summary>
    public bool IsKnownAbsent(string commit, string file) => File.Exists(AbsenceMark(commit, file));

    /// <summary>Whether any commit's weights are here: then the licence was stated before.</summary>
    public bool HoldsWeights()
    {
        string snapshots = Path.Combine(Root, "snapshots");
        return Directory.Exists(snapshots)
            && Directory.EnumerateFiles(snapshots, "*.safetensors", SearchOption.AllDirectories).Any();
    }

    /// <summary>The commit that a revision was when it was last asked for; null where that is not known.</summary>
    public string? ReadRef(string revision)
    {
        string path = RefFile(revision);
        if (!File.Exists(path))
            return null;
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > LongestRef)
            return null;
        using StreamReader reader = new(file);
        string commit = reader.ReadToEnd().Trim();
        return HubModelName.IsCommitHash(commit) ? commit : null;
    }

    /// <summary>Remembers what a revision is.</summary>
    public void WriteRef(string revision, string commit)
    {
        if (ReadRef(revision) == commit)
            return;
        string path = RefFile(revision);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var file = AtomicFile.Create(path);
        file.Append(System.Text.Encoding.ASCII.GetBytes(commit));
        file.Commit();
    }

    /// <summary>Remembers that a commit does not have a file. Only saves a request next time, so that a cache that cannot be written is
    /// no fault here.</summary>
    public void MarkAbsent(string commit, string file)
    {
        string path = AbsenceMark(commit, file);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.Open(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite).Dispose();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Asked for again next time.
        }
    }

    /// <summary>Lets a snapshot's file be a blob.</summary>
    public void Link(string commit, string file, BlobHash hash)
    {
        string path = SnapshotFile(commit, file);
        string blob = Blob(hash);
        Directory.CreateDirectory(SnapshotFolder(commit));
        string target = Path.GetRelativePath(SnapshotFolder(commit), blob);
        string temporary = Path.Combine(SnapshotFolder(commit), $".{file}.{Path.GetRandomFileName()}");
        try
        {
            File.CreateSymbolicLink(temporary, target);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // On Windows links are a privilege, and some file systems have none. The blob moves to the snapshot, as with huggingface_hub.
            File.Move(blob, path, overwrite: true);
            return;
        }

        File.Move(temporary, path, overwrite: true);
    }

    private string RefFile(string revision) => Path.Combine([Root, "refs", .. revision.Split('/')]);

    private string AbsenceMark(string commit, string file) => Path.Combine(Root, ".no_exist", commit, file);
}
