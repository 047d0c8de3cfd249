using PixioCuda.Pipeline.Tar;

namespace PixioCuda.Pipeline;

/// <summary>The pictures of a tar file, such as a WebDataset's shard.</summary>
internal static class TarPictures
{
    private const int BufferBytes = 1 << 18;

    /// <summary>The pictures in the order in which they lie there, with ids PATH/MEMBER. Where the file is missing or damaged, what was found
    /// before is followed by one failed entry with the file's own path for its id.</summary>
    /// <param name="path">The tar file.</param>
    /// <param name="tag">What every entry carries.</param>
    /// <param name="wrap">What the file is read through, for example to hash it; disposed of in its place.</param>
    /// <param name="atEnd">Called when there are no more pictures, before the file is closed.</param>
    public static IEnumerable<PictureEntry> Read(string path, object? tag = null, Func<Stream, Stream>? wrap = null, Action? atEnd = null)
    {
        Stream? stream = null;
        try
        {
            PictureSourceException? failure = Try(path, () => stream = Open(path));
            if (failure is not null)
            {
                yield return PictureEntry.Failed(path, failure, tag);
                yield break;
            }

            stream = wrap is null ? stream! : wrap(stream!);
            TarReader reader = new(stream, path);
            while (true)
            {
                TarMember? member = null;
                failure = Try(path, () => member = reader.ReadNext());
                if (failure is not null)
                    yield return PictureEntry.Failed(path, failure, tag);
                if (member is null)
                {
                    failure = Try(path, () => atEnd?.Invoke());
                    if (failure is not null)
                        yield return PictureEntry.Failed(path, failure, tag);
                    yield break;
                }

                if (!PictureInput.IsPictureName(member.Name) || Path.GetFileName(member.Name.AsSpan()).StartsWith("."))
                    continue;
                string id = $"{path}/{member.Name}";
                if (member.IsSparse)
                {
                    yield return PictureEntry.Failed(id, new PictureSourceException(
                        $"The picture {id} is kept with holes (GNU's sparse format), which is not read; pack the file without --sparse."), tag);
                }
                else if (member.IsFile)
                {
                    yield return PictureEntry.InOrder(id, member.Length, content => reader.ReadContent(content.Span), tag);
                }
            }
        }
        finally
        {
            stream?.Dispose();
        }
    }

    private static FileStream Open(string path) =>
        new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, BufferBytes, FileOptions.SequentialScan);

    private static PictureSourceException? Try(string path, Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (PictureSourceException exception)
        {
            return exception;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return new PictureSourceException($"There is no tar file '{path}'.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new PictureSourceException($"The tar file '{path}' cannot be read: {exception.Message}", exception);
        }
    }
}
