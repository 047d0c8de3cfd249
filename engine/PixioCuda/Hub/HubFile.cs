namespace PixioCuda.Hub;

/// <summary>A file of a repository, as the hub describes it.</summary>
/// <param name="Name">Its name in the repository.</param>
/// <param name="Commit">The commit that it was asked for at.</param>
/// <param name="Hash">What its content must hash to.</param>
/// <param name="ByteCount">How long its content must be.</param>
internal sealed record HubFile(string Name, string Commit, BlobHash Hash, long ByteCount);

/// <summary>Something that may well work the next time: no connection, a connection that broke, a busy server.</summary>
internal sealed class HubTransientException(string message, TimeSpan? retryAfter = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>How long the server asks to be left alone.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
