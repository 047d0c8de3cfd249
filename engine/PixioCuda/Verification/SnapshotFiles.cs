using System.Security.Cryptography;
using PixioCuda.Hub;

namespace PixioCuda.Verification;

/// <summary>The files of a snapshot in the hub's cache are links to blobs that are named by the hash of their content: whether that still
/// holds shows a disk that lies, and a download that was not checked.</summary>
internal static class SnapshotFiles
{
    private const int BlockBytes = 1 << 20;

    /// <summary>Hashes every file of a folder that is a link to a blob.</summary>
    /// <param name="folder">The model's folder; one that is no snapshot gives nothing.</param>
    /// <param name="onRead">Told the bytes read.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static IReadOnlyList<FileHash> Check(string folder, Action<long> onRead, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder))
            return [];
        List<FileHash> files = [];
        foreach (string path in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            if (HashOf(path) is BlobHash hash)
                files.Add(new FileHash(Path.GetFileName(path), hash.Hex, Hash(path, hash, onRead, cancellationToken)));
        }

        return files;
    }

    /// <summary>The hash that a link's blob is named by; null for a file that is no such link.</summary>
    private static BlobHash? HashOf(string path) =>
        new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true) is { } blob
            && Path.GetFileName(Path.GetDirectoryName(blob.FullName)) == "blobs"
            ? BlobHash.FromETag(blob.Name)
            : null;

    private static string Hash(string path, BlobHash expected, Action<long> onRead, CancellationToken cancellationToken)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        using IncrementalHash hash = expected.Begin(file.Length);
        byte[] block = new byte[BlockBytes];
        for (int read; (read = file.Read(block)) > 0; onRead(read))
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(block.AsSpan(0, read));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
