using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Pictures;

/// <summary>What users call pictures: all that <see cref="PictureSource"/> knows, and standard input and addresses.</summary>
internal sealed class PictureWords(PictureReader reader)
{
    /// <summary>The files that a word stands for, in order.</summary>
    /// <exception cref="PictureSourceException">As <see cref="PictureSource.Of"/>.</exception>
    public static IEnumerable<PictureInput> Resolve(string word) =>
        IsFile(word) ? PictureInput.Resolve(word) : [new PictureInput(PictureInputKind.File, word)];

    /// <summary>Whether a word names one picture, which its user vouches for.</summary>
    public static bool IsOnePicture(string word) => !IsFile(word) || !PictureInput.StandsForSeveral(word);

    /// <summary>Whether a picture lies in a file.</summary>
    public static bool IsFile(string word) => word != PictureReader.StandardInput && !PictureReader.IsAddress(word);

    /// <summary>The pictures of a file.</summary>
    public IEnumerable<PictureEntry> Entries(PictureInput input) =>
        input.Kind == PictureInputKind.Tar ? TarPictures.Read(input.FilePath) : [Entry(input.FilePath)];

    /// <summary>One picture.</summary>
    /// <param name="word">What the user calls it.</param>
    public PictureEntry Entry(string word) => IsFile(word)
        ? PictureEntry.FromFile(word)
        : PictureEntry.FromReader(
            word, PictureReader.Describe(word), cancellationToken => reader.ReadAsync(word, cancellationToken).GetAwaiter().GetResult());
}
