namespace PixioCuda.Cli.Pictures;

/// <summary>Reads the bytes of pictures by what users call them.</summary>
internal sealed class PictureReader(Func<Stream> openInput, DownloadLimits limits)
{
    /// <summary>What means standard input.</summary>
    public const string StandardInput = "-";

    // No encoded picture that the decoders take is longer, and no array.
    private const long MaxByteCount = 2_000_000_000;

    /// <summary>What to call a picture in messages.</summary>
    public static string Describe(string name) => name == StandardInput ? "standard input" : name;

    /// <summary>Reads a whole picture file.</summary>
    /// <exception cref="InputException">It is not there, cannot be read, or is too long.</exception>
    public async Task<ReadOnlyMemory<byte>> ReadAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            if (name == StandardInput)
            {
                using Stream input = openInput();
                return await BoundedStream.ReadAsync(input, MaxByteCount, Describe(name), cancellationToken).ConfigureAwait(false);
            }

            if (IsAddress(name))
                return await PictureDownload.GetAsync(new Uri(name), limits, cancellationToken).ConfigureAwait(false);
            if (Directory.Exists(name))
                throw new InputException(
                    $"'{name}' is a folder; give the pictures in it one by one, for example as {Path.Combine(name, "*.jpg")}.");
            using FileStream file = new(name, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return await BoundedStream.ReadAsync(file, MaxByteCount, name, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException($"There is no picture '{name}'.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InputException($"The picture '{name}' cannot be read: {Sentences.Of(exception)}", exception);
        }
    }

    /// <summary>Whether a word is the address of a picture.</summary>
    public static bool IsAddress(string name) =>
        name.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || name.StartsWith("https://", StringComparison.OrdinalIgnoreCase);
}
