namespace PixioCuda.Pipeline;

/// <summary>A place that pictures come from cannot be used: it is missing, damaged, or a pattern makes no sense. Pictures that were
/// found there before are not concerned.</summary>
public sealed class PictureSourceException : PixioException
{
    /// <summary>Creates an exception with a message.</summary>
    public PictureSourceException(string message) : base(message) { }

    /// <summary>Creates an exception with a message and its cause.</summary>
    public PictureSourceException(string message, Exception innerException) : base(message, innerException) { }
}
