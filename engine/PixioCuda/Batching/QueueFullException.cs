namespace PixioCuda;

/// <summary>The queue of <c>EmbedAsync</c> is full: pictures come faster than the model runs them. Nothing was done for this one; try again
/// later, or tell whoever asked to.</summary>
public sealed class QueueFullException : PixioException
{
    /// <summary>Creates an exception with a message.</summary>
    public QueueFullException(string message) : base(message) { }

    /// <summary>Creates an exception with a message and its cause.</summary>
    public QueueFullException(string message, Exception innerException) : base(message, innerException) { }
}
