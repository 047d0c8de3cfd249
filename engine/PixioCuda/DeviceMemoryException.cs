namespace PixioCuda;

/// <summary>A device has too little memory for a run, or for preprocessing pictures. With <see cref="PixioModelOptions.SplitBatches"/> a
/// run only ends in it when not even one picture fits.</summary>
public sealed class DeviceMemoryException : PixioException
{
    /// <summary>Creates an exception with a message and its cause.</summary>
    /// <param name="message">A whole sentence.</param>
    /// <param name="neededByteCount">What the run takes of the device's memory beside the weights, in bytes.</param>
    /// <param name="freeByteCount">What was free, in bytes.</param>
    /// <param name="largestBatch">The most pictures of this size that fit; 0 where none does.</param>
    /// <param name="innerException">What the driver said.</param>
    public DeviceMemoryException(
        string message, long neededByteCount, long freeByteCount, int largestBatch, Exception innerException) : base(message, innerException)
    {
        NeededByteCount = neededByteCount;
        FreeByteCount = freeByteCount;
        LargestBatch = largestBatch;
    }

    /// <summary>What the run takes of the device's memory beside the weights, in bytes.</summary>
    public long NeededByteCount { get; }

    /// <summary>What was free, in bytes.</summary>
    public long FreeByteCount { get; }

    /// <summary>The most pictures of this size that fit; 0 where none does.</summary>
    public int LargestBatch { get; }
}
