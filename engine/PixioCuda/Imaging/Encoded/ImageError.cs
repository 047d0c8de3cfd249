namespace PixioCuda.Imaging.Encoded;

/// <summary>The wording of errors about pictures, the same for every decoder.</summary>
internal static class ImageError
{
    /// <summary>The file is not what its format wants it to be.</summary>
    public static ImageFormatException Damaged(string name, string what, Exception? cause = null)
    {
        string message = $"The image {name} is damaged: {what}.";
        return cause is null ? new ImageFormatException(message) : new ImageFormatException(message, cause);
    }

    /// <summary>The file may be sound, but this decoder does not know its kind.</summary>
    public static ImageFormatException Unsupported(string name, string what) =>
        new($"The image {name} cannot be decoded: {what}; convert it to an ordinary PNG or JPEG.");
}
