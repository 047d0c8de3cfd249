using System.Buffers;

namespace PixioCuda.Pipeline;

/// <summary>A picture that has still to be read, with its id.</summary>
public sealed class PictureEntry
{
    // No encoded picture that the decoders take is longer, and no array.
    private const long MaxByteCount = 2_000_000_000;

    private readonly Func<CancellationToken, EncodedPicture>? _read;

    private PictureEntry(string id, Func<CancellationToken, EncodedPicture>? read)
    {
        Id = id;
        _read = read;
    }

    /// <summary>What the picture is called in every output: the same for the same input, wherever and however often it is read.</summary>
    public string Id { get; }

    /// <summary>Anything that the caller wants to find again in the result.</summary>
    public object? Tag { get; init; }

    /// <summary>What to call it in messages; its id where nothing else is said.</summary>
    internal string DisplayName { get => field ?? Id; init; }

    /// <summary>Why the picture cannot be read, where that is known before; then it goes straight to the results.</summary>
    internal Exception? Failure { get; private init; }

    /// <summary>Whether this is no picture, only a place in the order that the results are to have too.</summary>
    internal bool IsMark => _read is null && Failure is null;

    /// <summary>Whether it must be read before the next one is asked for, as from a tar file, which is read once from front to
    /// back.</summary>
    internal bool IsReadInOrder { get; private init; }

    /// <summary>The bytes that it will take, where that is known before.</summary>
    internal long ByteCount { get; private init; }

    /// <summary>A picture in a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="id">What to call it; null for the path.</param>
    public static PictureEntry FromFile(string path, string? id = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new PictureEntry(id ?? path, _ => ReadFile(path));
    }

    /// <summary>A picture in memory.</summary>
    /// <param name="id">What to call it.</param>
    /// <param name="encoded">The whole file; it is not copied and must not change.</param>
    public static PictureEntry FromBytes(string id, ReadOnlyMemory<byte> encoded)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return new PictureEntry(id, _ => new EncodedPicture(encoded));
    }

    /// <summary>A picture from anywhere.</summary>
    /// <param name="id">What to call it.</param>
    /// <param name="read">Gives the whole file, or throws, which makes this picture a failed one. Called once, on a thread that may
    /// wait.</param>
    public static PictureEntry FromReader(string id, Func<CancellationToken, ReadOnlyMemory<byte>> read)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        ArgumentNullException.ThrowIfNull(read);
        return new PictureEntry(id, cancellationToken => new EncodedPicture(read(cancellationToken)));
    }

    /// <inheritdoc cref="FromReader(string, Func{CancellationToken, ReadOnlyMemory{byte}})"/>
    internal static PictureEntry FromReader(string id, string displayName, Func<CancellationToken, ReadOnlyMemory<byte>> read) =>
        new(id, cancellationToken => new EncodedPicture(read(cancellationToken))) { DisplayName = displayName };

    /// <summary>A picture of which it is already known that it cannot be read.</summary>
    /// <param name="id">What to call it.</param>
    /// <param name="failure">Why.</param>
    public static PictureEntry Failed(string id, Exception failure)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        ArgumentNullException.ThrowIfNull(failure);
        return new PictureEntry(id, read: null) { Failure = failure };
    }

    /// <summary>No picture: a result without features that comes when everything before it has come.</summary>
    internal static PictureEntry Mark(object tag) => new("", read: null) { Tag = tag };

    /// <summary>A picture that must be read before the next one is asked for.</summary>
    internal static PictureEntry InOrder(string id, long byteCount, Action<Memory<byte>> fill, object? tag) =>
        byteCount > MaxByteCount
            ? Failed(id, TooLong(id, byteCount), tag)
            : new PictureEntry(id, _ => Fill(byteCount, fill)) { IsReadInOrder = true, ByteCount = byteCount, Tag = tag };

    /// <inheritdoc cref="Failed(string, Exception)"/>
    internal static PictureEntry Failed(string id, Exception failure, object? tag) => new(id, read: null) { Failure = failure, Tag = tag };

    /// <summary>Reads it. Whatever is thrown is this picture's failure, unless it is the cancellation's.</summary>
    internal EncodedPicture Read(CancellationToken cancellationToken) => _read!(cancellationToken);

    private static EncodedPicture Fill(long byteCount, Action<Memory<byte>> fill)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent((int)byteCount);
        try
        {
            fill(rented.AsMemory(0, (int)byteCount));
            return new EncodedPicture(rented.AsMemory(0, (int)byteCount), rented);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(rented);
            throw;
        }
    }

    private static EncodedPicture ReadFile(string path)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            // A pipe has no length: memory grows with what arrives.
            if (!file.CanSeek)
                return new EncodedPicture(ReadPipe(file, path));
            return file.Length <= MaxByteCount
                ? Fill(file.Length, content => file.ReadExactly(content.Span))
                : throw TooLong(path, file.Length);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new PictureSourceException($"There is no picture '{path}'.", exception);
        }
        catch (UnauthorizedAccessException exception) when (Directory.Exists(path))
        {
            throw new PictureSourceException($"'{path}' is a folder; give the pictures in it one by one.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PictureSourceException($"The picture '{path}' cannot be read: {exception.Message}", exception);
        }
    }

    private static ReadOnlyMemory<byte> ReadPipe(FileStream file, string path)
    {
        byte[] bytes = new byte[1 << 16];
        int length = 0;
        for (int read; (read = file.Read(bytes.AsSpan(length))) > 0;)
        {
            length += read;
            if (length > MaxByteCount)
                throw TooLong(path, length);
            if (length == bytes.Length)
                Array.Resize(ref bytes, (int)Math.Min(2L * length, MaxByteCount + 1));
        }

        return bytes.AsMemory(0, length);
    }

    private static ImageFormatException TooLong(string name, long byteCount) =>
        new($"The picture {name} has {byteCount} bytes, more than the {MaxByteCount} that one may have.");
}

/// <summary>The bytes of a picture's file, in memory that may belong to the shared pool.</summary>
internal readonly struct EncodedPicture(ReadOnlyMemory<byte> bytes, byte[]? rented = null)
{
    public ReadOnlyMemory<byte> Bytes => bytes;

    /// <summary>Gives the memory back; called once, when nobody reads it any more.</summary>
    public void Return()
    {
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
    }
}
