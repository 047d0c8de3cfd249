using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Cpu;

/// <summary>Matrix transposition in 4 x 4 blocks, which every vector unit can do in registers.</summary>
internal static class Transpose
{
    // Whole lines of the source are used up while these rows of the destination, 8 KB where 32 rows are transposed, are in the first-level cache.
    private const int BlockColumns = 64;

    /// <summary>destination[c, r] = source[r, c].</summary>
    /// <param name="source">[rows, columns], dense.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    /// <param name="destination">[columns, destinationStride], of which the first rows elements of each row are written.</param>
    /// <param name="destinationStride">At least rows.</param>
    public static void Run(ReadOnlySpan<float> source, int rows, int columns, Span<float> destination, int destinationStride) =>
        Run(source, columns, rows, columns, destination, destinationStride);

    /// <summary>As above, from rows that lie a stride apart.</summary>
    public static void Run(ReadOnlySpan<float> source, int sourceStride, int rows, int columns, Span<float> destination, int destinationStride)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(destinationStride, rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(sourceStride, columns);
        if (rows == 0 || columns == 0)
            return;
        ArgumentOutOfRangeException.ThrowIfLessThan(source.Length, ((rows - 1) * (long)sourceStride) + columns, nameof(source));
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, ((columns - 1) * (long)destinationStride) + rows, nameof(destination));

        ref float from = ref MemoryMarshal.GetReference(source);
        ref float to = ref MemoryMarshal.GetReference(destination);
        int wholeRows = rows & ~3, wholeColumns = columns & ~3;
        for (int first = 0; first < wholeColumns; first += BlockColumns)
        {
            int end = Math.Min(first + BlockColumns, wholeColumns);
            for (int row = 0; row < wholeRows; row += 4)
            {
                for (int column = first; column < end; column += 4)
                {
                    Run4x4(
                        ref Unsafe.Add(ref from, ((nint)row * sourceStride) + column), sourceStride,
                        ref Unsafe.Add(ref to, ((nint)column * destinationStride) + row), destinationStride);
                }
            }
        }

        for (int row = 0; row < rows; row++)
        {
            for (int column = row < wholeRows ? wholeColumns : 0; column < columns; column++)
                Unsafe.Add(ref to, ((nint)column * destinationStride) + row) = Unsafe.Add(ref from, ((nint)row * sourceStride) + column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Run4x4(ref float source, nint sourceStride, ref float destination, nint destinationStride)
    {
        Vector128<float> r0 = Vector128.LoadUnsafe(ref source);
        Vector128<float> r1 = Vector128.LoadUnsafe(ref Unsafe.Add(ref source, sourceStride));
        Vector128<float> r2 = Vector128.LoadUnsafe(ref Unsafe.Add(ref source, 2 * sourceStride));
        Vector128<float> r3 = Vector128.LoadUnsafe(ref Unsafe.Add(ref source, 3 * sourceStride));
        (Vector128<float> t0, Vector128<float> t1) = Interleave(r0, r2);
        (Vector128<float> t2, Vector128<float> t3) = Interleave(r1, r3);
        (Vector128<float> c0, Vector128<float> c1) = Interleave(t0, t2);
        (Vector128<float> c2, Vector128<float> c3) = Interleave(t1, t3);
        c0.StoreUnsafe(ref destination);
        c1.StoreUnsafe(ref Unsafe.Add(ref destination, destinationStride));
        c2.StoreUnsafe(ref Unsafe.Add(ref destination, 2 * destinationStride));
        c3.StoreUnsafe(ref Unsafe.Add(ref destination, 3 * destinationStride));
    }

    /// <summary>(a0, b0, a1, b1) and (a2, b2, a3, b3).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<float> Lower, Vector128<float> Upper) Interleave(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported)
            return (Sse.UnpackLow(a, b), Sse.UnpackHigh(a, b));
        if (AdvSimd.Arm64.IsSupported)
            return (AdvSimd.Arm64.ZipLow(a, b), AdvSimd.Arm64.ZipHigh(a, b));
        return (Vector128.Create(a[0], b[0], a[1], b[1]), Vector128.Create(a[2], b[2], a[3], b[3]));
    }
}
