using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights;

/// <summary>Reads that carry their own position, so that threads can share a handle.</summary>
internal static class PositionedRead
{
    /// <summary>Fills the whole destination.</summary>
    /// <exception cref="ModelFormatException">The file ends first.</exception>
    public static void Fill(SafeFileHandle file, long offset, Span<byte> destination, string path)
    {
        long end = offset + destination.Length;
        while (!destination.IsEmpty)
        {
            int count = RandomAccess.Read(file, destination, offset);
            if (count == 0)
            {
                throw new ModelFormatException(
                    $"'{path}' ends before byte {end}, which its header promises; was it truncated or is it still being written?");
            }

            destination = destination[count..];
            offset += count;
        }
    }
}
