using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PixioCuda.Imaging.Resampling;

/// <summary>The two passes of a resize on vectors. Sums of integers do not depend on their order, so that every width gives the same
/// bytes.</summary>
/// <remarks>Full optimisation from the first call on: unoptimised vector code takes 15 times as long, and a command sees only a few
/// pictures.</remarks>
internal static class SimdPasses<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    // Rows that share one load of the weights: for a large reduction the weights of a row do not fit into the first-level cache.
    private const int RowsAtOnce = 4;

    /// <summary>Resizes rows of [rows, width, 3] to [rows, axis.Size, 3], each row of the result <paramref name="stride"/> bytes long. A
    /// stride has room for one byte more than a row.</summary>
    public static void Horizontal(ReadOnlySpan<byte> source, int width, BicubicAxis axis, Span<byte> destination, int stride)
    {
        int rowBytes = 3 * width, rowCount = destination.Length / stride;
        int[] weights = axis.WeightsSpreadOverRgb(TLanes.PixelCount, TLanes.Count);

        // The last vector of a row may reach beyond the row, and at the end of the picture beyond what there is: such rows are read from
        // copies.
        int bytesRead = rowBytes - 3 + TLanes.Count;
        byte[] copies = ArrayPool<byte>.Shared.Rent(checked(RowsAtOnce * bytesRead));
        ref byte sourceStart = ref MemoryMarshal.GetReference(source);
        ref byte destinationStart = ref MemoryMarshal.GetReference(destination);
        for (int y = 0; y < rowCount; y += RowsAtOnce)
        {
            ref byte group = ref Unsafe.Add(ref sourceStart, (nint)y * rowBytes);
            nint groupStride = rowBytes;
            int rows = Math.Min(RowsAtOnce, rowCount - y);
            if (rows < RowsAtOnce || (long)(y + RowsAtOnce - 1) * rowBytes + bytesRead > source.Length)
            {
                for (int i = 0; i < rows; i++)
                    source.Slice((y + i) * rowBytes, rowBytes).CopyTo(copies.AsSpan(i * bytesRead));
                group = ref copies[0];
                groupStride = bytesRead;
            }

            ref byte resized = ref Unsafe.Add(ref destinationStart, (nint)y * stride);
            if (rows == RowsAtOnce)
            {
                FourRows(ref group, groupStride, axis, weights, ref resized, stride);
            }
            else
            {
                for (int i = 0; i < rows; i++)
                    OneRow(ref Unsafe.Add(ref group, i * groupStride), axis, weights, ref Unsafe.Add(ref resized, (nint)i * stride));
            }
        }

        ArrayPool<byte>.Shared.Return(copies);
    }

    /// <summary>Resizes columns of [rows, stride], whose first row is the axis' InputStart, to [axis.Size, rowBytes].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vertical(ReadOnlySpan<byte> source, int stride, BicubicAxis axis, Span<byte> destination, int rowBytes)
    {
        byte[] row = ArrayPool<byte>.Shared.Rent(stride);
        ref byte sourceStart = ref MemoryMarshal.GetReference(source);
        for (int y = 0; y < axis.Size; y++)
        {
            ref byte first = ref Unsafe.Add(ref sourceStart, (nint)(axis.First[y] - axis.InputStart) * stride);
            ReadOnlySpan<int> weights = axis.Weights.AsSpan(y * axis.Stride, axis.Count[y]);
            for (int i = 0; i < rowBytes; i += 4 * TLanes.Count)
            {
                TVector a = TLanes.Broadcast(BicubicAxis.Half), b = a, c = a, d = a;
                ref byte block = ref Unsafe.Add(ref first, i);
                foreach (int value in weights)
                {
                    TVector weight = TLanes.Broadcast(value);
                    a = TLanes.MultiplyAdd(TLanes.LoadBytes(ref block), weight, a);
                    b = TLanes.MultiplyAdd(TLanes.LoadBytes(ref Unsafe.Add(ref block, TLanes.Count)), weight, b);
                    c = TLanes.MultiplyAdd(TLanes.LoadBytes(ref Unsafe.Add(ref block, 2 * TLanes.Count)), weight, c);
                    d = TLanes.MultiplyAdd(TLanes.LoadBytes(ref Unsafe.Add(ref block, 3 * TLanes.Count)), weight, d);
                    block = ref Unsafe.Add(ref block, stride);
                }

                TLanes.StoreBytes(a, b, c, d, ref row[i]);
            }

            row.AsSpan(0, rowBytes).CopyTo(destination[(y * rowBytes)..]);
        }

        ArrayPool<byte>.Shared.Return(row);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourRows(ref byte rows, nint rowStride, BicubicAxis axis, int[] weights, ref byte resized, nint resizedStride)
    {
        ref int weight = ref MemoryMarshal.GetArrayDataReference(weights);
        int groupsPerPosition = axis.GroupsPerPosition(TLanes.PixelCount);
        ReadOnlySpan<int> firsts = axis.First, counts = axis.Count;
        for (int x = 0; x < firsts.Length; x++)
        {
            TVector a = TLanes.Broadcast(0), b = a, c = a, d = a;
            ref byte pixels = ref Unsafe.Add(ref rows, (nint)3 * firsts[x]);
            ref int group = ref weight;
            for (int remaining = counts[x]; remaining > 0; remaining -= TLanes.PixelCount)
            {
                TVector spread = TLanes.Load(ref group);
                a = TLanes.MultiplyAdd(TLanes.LoadBytes(ref pixels), spread, a);
                b = TLanes.MultiplyAdd(TLanes.LoadBytes(ref Unsafe.Add(ref pixels, rowStride)), spread, b);
                c = TLanes.MultiplyAdd(TLanes.LoadBytes(ref Unsafe.Add(ref pixels, 2 * rowStride)), spread, c);
                d = TLanes.MultiplyAdd(TLanes.LoadBytes(ref Unsafe.Add(ref pixels, 3 * rowStride)), spread, d);
                pixels = ref Unsafe.Add(ref pixels, 3 * TLanes.PixelCount);
                group = ref Unsafe.Add(ref group, TLanes.Count);
            }

            ref byte destination = ref Unsafe.Add(ref resized, (nint)3 * x);
            StorePixel(a, ref destination);
            StorePixel(b, ref Unsafe.Add(ref destination, resizedStride));
            StorePixel(c, ref Unsafe.Add(ref destination, 2 * resizedStride));
            StorePixel(d, ref Unsafe.Add(ref destination, 3 * resizedStride));
            weight = ref Unsafe.Add(ref weight, groupsPerPosition * TLanes.Count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow(ref byte row, BicubicAxis axis, int[] weights, ref byte resized)
    {
        ref int weight = ref MemoryMarshal.GetArrayDataReference(weights);
        int groupsPerPosition = axis.GroupsPerPosition(TLanes.PixelCount);
        for (int x = 0; x < axis.Size; x++)
        {
            TVector sum = TLanes.Broadcast(0);
            ref byte pixels = ref Unsafe.Add(ref row, (nint)3 * axis.First[x]);
            ref int group = ref weight;
            for (int remaining = axis.Count[x]; remaining > 0; remaining -= TLanes.PixelCount)
            {
                sum = TLanes.MultiplyAdd(TLanes.LoadBytes(ref pixels), TLanes.Load(ref group), sum);
                pixels = ref Unsafe.Add(ref pixels, 3 * TLanes.PixelCount);
                group = ref Unsafe.Add(ref group, TLanes.Count);
            }

            StorePixel(sum, ref Unsafe.Add(ref resized, (nint)3 * x));
            weight = ref Unsafe.Add(ref weight, groupsPerPosition * TLanes.Count);
        }
    }

    /// <summary>Stores a pixel and one byte more, which the next pixel overwrites.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePixel(TVector sums, ref byte destination)
    {
        Vector128<int> clipped = Lanes128.Clip(TLanes.SumPixels(sums) + Vector128.Create(BicubicAxis.Half));
        Vector128<byte> lowBytes = Vector128.Create((byte)0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        Unsafe.WriteUnaligned(ref destination, Vector128.Shuffle(clipped.AsByte(), lowBytes).AsUInt32().ToScalar());
    }
}
