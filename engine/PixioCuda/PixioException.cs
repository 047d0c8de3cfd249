namespace PixioCuda;

/// <summary>What PixioCuda throws when something other than the caller's arguments is wrong; the message is a whole sentence
/// that says what failed, on what, and what to do.</summary>
public class PixioException : Exception
{
    /// <summary>Creates an exception with a message.</summary>
    public PixioException(string message) : base(message) { }

    /// <summary>Creates an exception with a message and its cause.</summary>
    public PixioException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>A model cannot be used: its config, its weights' header, or its set of tensors is wrong, missing or damaged.</summary>
public sealed class ModelFormatException : PixioException
{
    /// <summary>Creates an exception with a message.</summary>
    public ModelFormatException(string message) : base(message) { }

    /// <summary>Creates an exception with a message and its cause.</summary>
    public ModelFormatException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>A picture cannot be used: it is damaged, of an unknown format, or larger than allowed.</summary>
public sealed class ImageFormatException : PixioException
{
    /// <summary>Creates an exception with a message.</summary>
    public ImageFormatException(string message) : base(message) { }

    /// <summary>Creates an exception with a message and its cause.</summary>
    public ImageFormatException(string message, Exception innerException) : base(message, innerException) { }
}
