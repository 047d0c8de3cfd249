namespace PixioCuda.Pipeline;

/// <summary>Where pictures come from. Sources are read as they are enumerated, never as a whole, and give the same entries in the same
/// order each time.</summary>
public static class PictureSource
{
    /// <summary>The pictures that some words stand for, word by word: picture files; folders, with all that is below them; tar files, such
    /// as WebDataset's shards; names with braces (<c>data-{0000..0999}.tar</c>); patterns with <c>*</c>, <c>?</c>, <c>[...]</c> and
    /// <c>**</c>.</summary>
    /// <remarks>An id is the path in the words in which it was named, in a tar file followed by a slash and the member's name. Folders and
    /// patterns are gone through in the order of the whole paths by their UTF-16 units. In folders and tar files, pictures are what ends in
    /// .jpg, .jpeg, .jpe, .jfif, .png, .gif, .bmp or .webp; names that begin with a dot are left out, and links to folders are not
    /// followed. A tar file that is damaged gives what lies before the damage, and a failed entry.</remarks>
    /// <exception cref="PictureSourceException">While enumerated: a folder cannot be read, a pattern fits nothing, or its braces make no
    /// sense.</exception>
    public static IEnumerable<PictureEntry> Of(params IEnumerable<string> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        return words.SelectMany(PictureInput.Resolve).SelectMany(Entries);
    }

    /// <summary>The pictures that the lines of a text stand for, each as <see cref="Of"/> takes it; empty lines are passed over. Lines are
    /// read as they are needed.</summary>
    public static IEnumerable<PictureEntry> OfLines(TextReader lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        return Of(Lines(lines));
    }

    internal static IEnumerable<string> Lines(TextReader reader)
    {
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0)
                yield return line;
        }
    }

    private static IEnumerable<PictureEntry> Entries(PictureInput input) =>
        input.Kind == PictureInputKind.Tar ? TarPictures.Read(input.FilePath) : [PictureEntry.FromFile(input.FilePath)];
}
