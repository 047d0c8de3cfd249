using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PixioCuda.Cli.Pictures;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Jobs;

/// <summary>What is done and written as one: a tar file, or a fixed number of other pictures.</summary>
/// <param name="Index">Its number among all units of the job, whoever does them.</param>
/// <param name="Name">What its outputs are called, without an ending.</param>
/// <param name="Inputs">The files that its pictures are in.</param>
internal sealed record JobUnit(long Index, string Name, IReadOnlyList<PictureInput> Inputs)
{
    /// <summary>Whether it is a tar file.</summary>
    public bool IsTar => Inputs[0].Kind == PictureInputKind.Tar;

    /// <summary>What the input looks like from outside: names, lengths and times of change. As long as that is the same, nobody reads the
    /// input again to see whether it is.</summary>
    public string Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (PictureInput input in Inputs)
        {
            FileInfo? file = PictureWords.IsFile(input.FilePath) ? new FileInfo(input.FilePath) : null;
            string look = file is null ? "address"
                : file.Exists ? string.Create(CultureInfo.InvariantCulture, $"{file.Length} {file.LastWriteTimeUtc.Ticks}")
                : "missing";
            hash.AppendData(Encoding.UTF8.GetBytes($"{input.FilePath}\n{look}\n"));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The hash of what the input holds: of a tar file as <c>sha256sum</c> gives it, else over every picture's id and
    /// hash.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public string? HashContent(CancellationToken cancellationToken)
    {
        try
        {
            if (IsTar)
            {
                using HashingStream file = new(File.OpenRead(Inputs[0].FilePath));
                file.ReadToEnd(cancellationToken);
                return file.Hash;
            }

            using ContentHash hash = new();
            foreach (PictureInput input in Inputs)
            {
                cancellationToken.ThrowIfCancellationRequested();
                hash.Add(input.FilePath, File.Exists(input.FilePath) ? SHA256.HashData(File.ReadAllBytes(input.FilePath)) : default);
            }

            return hash.Finish();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // What cannot be read is not what it was.
            return null;
        }
    }
}

/// <summary>The hash of a part's pictures, in their order.</summary>
internal sealed class ContentHash : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <param name="id">The picture.</param>
    /// <param name="sha256">Of its file; empty where it could not be read.</param>
    public void Add(string id, ReadOnlyMemory<byte> sha256)
    {
        _hash.AppendData(Encoding.UTF8.GetBytes($"{id}\n{Convert.ToHexStringLower(sha256.Span)}\n"));
    }

    public string Finish() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    public void Dispose() => _hash.Dispose();
}
