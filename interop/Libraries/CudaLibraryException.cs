namespace PixioCuda.Interop;

/// <summary>One of CUDA's libraries was not found, or what was found cannot be used. The message says where was looked and what would
/// help.</summary>
internal sealed class CudaLibraryException : Exception
{
    public CudaLibraryException(CudaLibraryKind kind, string message, Exception? innerException = null)
        : base(message, innerException) => Kind = kind;

    /// <summary>The library.</summary>
    public CudaLibraryKind Kind { get; }

    /// <summary>The reason in one line that fits after "because"; the message has all places.</summary>
    public required string Summary { get; init; }

    /// <summary>Whether the library was nowhere at all, as on a machine without CUDA.</summary>
    public bool IsMissing { get; init; }
}
