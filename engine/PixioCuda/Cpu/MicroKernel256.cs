using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Cpu;

/// <summary>The 6 x 16 tile for 256-bit vectors: 12 accumulators, two of B and one of A fill 15 of the 16 registers.</summary>
internal readonly unsafe struct MicroKernel256 : IMicroKernel
{
    public static int Rows => 6;

    public static int Columns => 2 * Vector256<float>.Count;

    public static int NarrowColumns => Vector256<float>.Count;

    // Written out row by row: the accumulators must be locals for the compiler to keep them in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* a, float* b, int depth, float* tile, nint stride, bool accumulate, float* next, byte* far, nint farStep)
    {
        Vector256<float> c0a = Vector256<float>.Zero, c0b = Vector256<float>.Zero;
        Vector256<float> c1a = Vector256<float>.Zero, c1b = Vector256<float>.Zero;
        Vector256<float> c2a = Vector256<float>.Zero, c2b = Vector256<float>.Zero;
        Vector256<float> c3a = Vector256<float>.Zero, c3b = Vector256<float>.Zero;
        Vector256<float> c4a = Vector256<float>.Zero, c4b = Vector256<float>.Zero;
        Vector256<float> c5a = Vector256<float>.Zero, c5b = Vector256<float>.Zero;

        for (float* end = a + depth; a < end; a++)
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + Vector256<float>.Count), x;
            x = Vector256.Create(*a);
            c0a = Vector256.FusedMultiplyAdd(x, b0, c0a);
            c0b = Vector256.FusedMultiplyAdd(x, b1, c0b);
            x = Vector256.Create(a[KChunk.Length]);
            c1a = Vector256.FusedMultiplyAdd(x, b0, c1a);
            c1b = Vector256.FusedMultiplyAdd(x, b1, c1b);
            x = Vector256.Create(a[2 * KChunk.Length]);
            c2a = Vector256.FusedMultiplyAdd(x, b0, c2a);
            c2b = Vector256.FusedMultiplyAdd(x, b1, c2b);
            x = Vector256.Create(a[3 * KChunk.Length]);
            c3a = Vector256.FusedMultiplyAdd(x, b0, c3a);
            c3b = Vector256.FusedMultiplyAdd(x, b1, c3b);
            x = Vector256.Create(a[4 * KChunk.Length]);
            c4a = Vector256.FusedMultiplyAdd(x, b0, c4a);
            c4b = Vector256.FusedMultiplyAdd(x, b1, c4b);
            x = Vector256.Create(a[5 * KChunk.Length]);
            c5a = Vector256.FusedMultiplyAdd(x, b0, c5a);
            c5b = Vector256.FusedMultiplyAdd(x, b1, c5b);
            b += 2 * Vector256<float>.Count;
            // As many bytes as this step has read of A: over the whole depth, the next tile.
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(next);
                Sse.Prefetch1(far);
            }

            far += farStep;
            next += Rows;
        }

        if (accumulate)
        {
            c0a += Vector256.Load(tile);
            c0b += Vector256.Load(tile + Vector256<float>.Count);
            c1a += Vector256.Load(tile + stride);
            c1b += Vector256.Load(tile + stride + Vector256<float>.Count);
            c2a += Vector256.Load(tile + (2 * stride));
            c2b += Vector256.Load(tile + (2 * stride) + Vector256<float>.Count);
            c3a += Vector256.Load(tile + (3 * stride));
            c3b += Vector256.Load(tile + (3 * stride) + Vector256<float>.Count);
            c4a += Vector256.Load(tile + (4 * stride));
            c4b += Vector256.Load(tile + (4 * stride) + Vector256<float>.Count);
            c5a += Vector256.Load(tile + (5 * stride));
            c5b += Vector256.Load(tile + (5 * stride) + Vector256<float>.Count);
        }

        c0a.Store(tile);
        c0b.Store(tile + Vector256<float>.Count);
        c1a.Store(tile + stride);
        c1b.Store(tile + stride + Vector256<float>.Count);
        c2a.Store(tile + (2 * stride));
        c2b.Store(tile + (2 * stride) + Vector256<float>.Count);
        c3a.Store(tile + (3 * stride));
        c3b.Store(tile + (3 * stride) + Vector256<float>.Count);
        c4a.Store(tile + (4 * stride));
        c4b.Store(tile + (4 * stride) + Vector256<float>.Count);
        c5a.Store(tile + (5 * stride));
        c5b.Store(tile + (5 * stride) + Vector256<float>.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyNarrow(float* a, float* b, int depth, float* tile, nint stride, bool accumulate)
    {
        Vector256<float> c0 = Vector256<float>.Zero, c1 = Vector256<float>.Zero, c2 = Vector256<float>.Zero;
        Vector256<float> c3 = Vector256<float>.Zero, c4 = Vector256<float>.Zero, c5 = Vector256<float>.Zero;

        for (float* end = a + depth; a < end; a++, b += Vector256<float>.Count)
        {
            Vector256<float> x = Vector256.Load(b);
            c0 = Vector256.FusedMultiplyAdd(Vector256.Create(*a), x, c0);
            c1 = Vector256.FusedMultiplyAdd(Vector256.Create(a[KChunk.Length]), x, c1);
            c2 = Vector256.FusedMultiplyAdd(Vector256.Create(a[2 * KChunk.Length]), x, c2);
            c3 = Vector256.FusedMultiplyAdd(Vector256.Create(a[3 * KChunk.Length]), x, c3);
            c4 = Vector256.FusedMultiplyAdd(Vector256.Create(a[4 * KChunk.Length]), x, c4);
            c5 = Vector256.FusedMultiplyAdd(Vector256.Create(a[5 * KChunk.Length]), x, c5);
        }

        if (accumulate)
        {
            c0 += Vector256.Load(tile);
            c1 += Vector256.Load(tile + stride);
            c2 += Vector256.Load(tile + (2 * stride));
            c3 += Vector256.Load(tile + (3 * stride));
            c4 += Vector256.Load(tile + (4 * stride));
            c5 += Vector256.Load(tile + (5 * stride));
        }

        c0.Store(tile);
        c1.Store(tile + stride);
        c2.Store(tile + (2 * stride));
        c3.Store(tile + (3 * stride));
        c4.Store(tile + (4 * stride));
        c5.Store(tile + (5 * stride));
    }
}
