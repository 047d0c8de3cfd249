using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PixioCuda.Imaging.Encoded;

/// <summary>Brings decoded pixels into their final form: alpha dropped, turned upright.</summary>
internal static class UprightPixels
{
    /// <summary>Returns the picture that <paramref name="source"/> shows when it is turned by its orientation.</summary>
    /// <param name="source">[height, width, pixelSize]: RGB, or RGB and one byte to drop.</param>
    /// <param name="width">The stored width.</param>
    /// <param name="height">The stored height.</param>
    /// <param name="pixelSize">3 or 4 bytes.</param>
    /// <param name="orientation">EXIF, 1 to 8.</param>
    public static RgbImage From(ReadOnlySpan<byte> source, int width, int height, int pixelSize, int orientation)
    {
        byte[] pixels = GC.AllocateUninitializedArray<byte>(checked(3 * width * height));
        if (orientation == ExifOrientation.Upright && pixelSize == 4)
        {
            DropFourthByte(source, pixels);
            return new RgbImage(width, height, pixels);
        }

        // Where the first upright pixel is stored, and how far it is from there to the next one to the right and to the next one below.
        (int firstX, int firstY, int rightX, int rightY, int downX, int downY) = orientation switch
        {
            1 => (0, 0, 1, 0, 0, 1),
            2 => (width - 1, 0, -1, 0, 0, 1),
            3 => (width - 1, height - 1, -1, 0, 0, -1),
            4 => (0, height - 1, 1, 0, 0, -1),
            5 => (0, 0, 0, 1, 1, 0),
            6 => (0, height - 1, 0, -1, 1, 0),
            7 => (width - 1, height - 1, 0, -1, -1, 0),
            8 => (width - 1, 0, 0, 1, -1, 0),
            _ => throw new ArgumentOutOfRangeException(nameof(orientation), orientation, "EXIF orientations go from 1 to 8."),
        };
        (int uprightWidth, int uprightHeight) = ExifOrientation.SwapsSides(orientation) ? (height, width) : (width, height);

        // Native integers: four bytes a pixel go beyond 2 GB before the three of the result do.
        nint right = ((nint)rightY * width + rightX) * pixelSize;
        nint down = ((nint)downY * width + downX) * pixelSize;
        nint row = ((nint)firstY * width + firstX) * pixelSize;
        ref byte stored = ref MemoryMarshal.GetReference(source);
        int written = 0;
        for (int y = 0; y < uprightHeight; y++, row += down)
        {
            nint pixel = row;
            for (int x = 0; x < uprightWidth; x++, pixel += right, written += 3)
            {
                pixels[written] = Unsafe.Add(ref stored, pixel);
                pixels[written + 1] = Unsafe.Add(ref stored, pixel + 1);
                pixels[written + 2] = Unsafe.Add(ref stored, pixel + 2);
            }
        }

        return new RgbImage(uprightWidth, uprightHeight, pixels);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DropFourthByte(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        int read = 0, written = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            // Each store writes four bytes too many, which the next one overwrites; the last pixels are left to the loop below.
            Vector128<byte> order = Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15, 15);
            for (; written + Vector128<byte>.Count <= destination.Length; read += 16, written += 12)
                Vector128.Shuffle(Vector128.Create(source[read..]), order).CopyTo(destination[written..]);
        }

        for (; written < destination.Length; read += 4, written += 3)
            source.Slice(read, 3).CopyTo(destination[written..]);
    }
}
