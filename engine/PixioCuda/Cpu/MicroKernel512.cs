using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Cpu;

/// <summary>The 12 x 32 tile for 512-bit vectors: 24 accumulators, two of B and one of A fill 27 of the 32 registers.</summary>
internal readonly unsafe struct MicroKernel512 : IMicroKernel
{
    public static int Rows => 12;

    public static int Columns => 2 * Vector512<float>.Count;

    public static int NarrowColumns => Vector512<float>.Count;

    // Written out row by row: the accumulators must be locals for the compiler to keep them in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* a, float* b, int depth, float* tile, nint stride, bool accumulate, float* next, byte* far, nint farStep)
    {
        Vector512<float> c0a = Vector512<float>.Zero, c0b = Vector512<float>.Zero;
        Vector512<float> c1a = Vector512<float>.Zero, c1b = Vector512<float>.Zero;
        Vector512<float> c2a = Vector512<float>.Zero, c2b = Vector512<float>.Zero;
        Vector512<float> c3a = Vector512<float>.Zero, c3b = Vector512<float>.Zero;
        Vector512<float> c4a = Vector512<float>.Zero, c4b = Vector512<float>.Zero;
        Vector512<float> c5a = Vector512<float>.Zero, c5b = Vector512<float>.Zero;
        Vector512<float> c6a = Vector512<float>.Zero, c6b = Vector512<float>.Zero;
        Vector512<float> c7a = Vector512<float>.Zero, c7b = Vector512<float>.Zero;
        Vector512<float> c8a = Vector512<float>.Zero, c8b = Vector512<float>.Zero;
        Vector512<float> c9a = Vector512<float>.Zero, c9b = Vector512<float>.Zero;
        Vector512<float> c10a = Vector512<float>.Zero, c10b = Vector512<float>.Zero;
        Vector512<float> c11a = Vector512<float>.Zero, c11b = Vector512<float>.Zero;

        for (float* end = a + depth; a < end; a++)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + Vector512<float>.Count), x;
            x = Vector512.Create(*a);
            c0a = Vector512.FusedMultiplyAdd(x, b0, c0a);
            c0b = Vector512.FusedMultiplyAdd(x, b1, c0b);
            x = Vector512.Create(a[KChunk.Length]);
            c1a = Vector512.FusedMultiplyAdd(x, b0, c1a);
            c1b = Vector512.FusedMultiplyAdd(x, b1, c1b);
            x = Vector512.Create(a[2 * KChunk.Length]);
            c2a = Vector512.FusedMultiplyAdd(x, b0, c2a);
            c2b = Vector512.FusedMultiplyAdd(x, b1, c2b);
            x = Vector512.Create(a[3 * KChunk.Length]);
            c3a = Vector512.FusedMultiplyAdd(x, b0, c3a);
            c3b = Vector512.FusedMultiplyAdd(x, b1, c3b);
            x = Vector512.Create(a[4 * KChunk.Length]);
            c4a = Vector512.FusedMultiplyAdd(x, b0, c4a);
            c4b = Vector512.FusedMultiplyAdd(x, b1, c4b);
            x = Vector512.Create(a[5 * KChunk.Length]);
            c5a = Vector512.FusedMultiplyAdd(x, b0, c5a);
            c5b = Vector512.FusedMultiplyAdd(x, b1, c5b);
            x = Vector512.Create(a[6 * KChunk.Length]);
            c6a = Vector512.FusedMultiplyAdd(x, b0, c6a);
            c6b = Vector512.FusedMultiplyAdd(x, b1, c6b);
            x = Vector512.Create(a[7 * KChunk.Length]);
            c7a = Vector512.FusedMultiplyAdd(x, b0, c7a);
            c7b = Vector512.FusedMultiplyAdd(x, b1, c7b);
            x = Vector512.Create(a[8 * KChunk.Length]);
            c8a = Vector512.FusedMultiplyAdd(x, b0, c8a);
            c8b = Vector512.FusedMultiplyAdd(x, b1, c8b);
            x = Vector512.Create(a[9 * KChunk.Length]);
            c9a = Vector512.FusedMultiplyAdd(x, b0, c9a);
            c9b = Vector512.FusedMultiplyAdd(x, b1, c9b);
            x = Vector512.Create(a[10 * KChunk.Length]);
            c10a = Vector512.FusedMultiplyAdd(x, b0, c10a);
            c10b = Vector512.FusedMultiplyAdd(x, b1, c10b);
            x = Vector512.Create(a[11 * KChunk.Length]);
            c11a = Vector512.FusedMultiplyAdd(x, b0, c11a);
            c11b = Vector512.FusedMultiplyAdd(x, b1, c11b);
            b += 2 * Vector512<float>.Count;
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
            c0a += Vector512.Load(tile);
            c0b += Vector512.Load(tile + Vector512<float>.Count);
            c1a += Vector512.Load(tile + stride);
            c1b += Vector512.Load(tile + stride + Vector512<float>.Count);
            c2a += Vector512.Load(tile + (2 * stride));
            c2b += Vector512.Load(tile + (2 * stride) + Vector512<float>.Count);
            c3a += Vector512.Load(tile + (3 * stride));
            c3b += Vector512.Load(tile + (3 * stride) + Vector512<float>.Count);
            c4a += Vector512.Load(tile + (4 * stride));
            c4b += Vector512.Load(tile + (4 * stride) + Vector512<float>.Count);
            c5a += Vector512.Load(tile + (5 * stride));
            c5b += Vector512.Load(tile + (5 * stride) + Vector512<float>.Count);
            c6a += Vector512.Load(tile + (6 * stride));
            c6b += Vector512.Load(tile + (6 * stride) + Vector512<float>.Count);
            c7a += Vector512.Load(tile + (7 * stride));
            c7b += Vector512.Load(tile + (7 * stride) + Vector512<float>.Count);
            c8a += Vector512.Load(tile + (8 * stride));
            c8b += Vector512.Load(tile + (8 * stride) + Vector512<float>.Count);
            c9a += Vector512.Load(tile + (9 * stride));
            c9b += Vector512.Load(tile + (9 * stride) + Vector512<float>.Count);
            c10a += Vector512.Load(tile + (10 * stride));
            c10b += Vector512.Load(tile + (10 * stride) + Vector512<float>.Count);
            c11a += Vector512.Load(tile + (11 * stride));
            c11b += Vector512.Load(tile + (11 * stride) + Vector512<float>.Count);
        }

        c0a.Store(tile);
        c0b.Store(tile + Vector512<float>.Count);
        c1a.Store(tile + stride);
        c1b.Store(tile + stride + Vector512<float>.Count);
        c2a.Store(tile + (2 * stride));
        c2b.Store(tile + (2 * stride) + Vector512<float>.Count);
        c3a.Store(tile + (3 * stride));
        c3b.Store(tile + (3 * stride) + Vector512<float>.Count);
        c4a.Store(tile + (4 * stride));
        c4b.Store(tile + (4 * stride) + Vector512<float>.Count);
        c5a.Store(tile + (5 * stride));
        c5b.Store(tile + (5 * stride) + Vector512<float>.Count);
        c6a.Store(tile + (6 * stride));
        c6b.Store(tile + (6 * stride) + Vector512<float>.Count);
        c7a.Store(tile + (7 * stride));
        c7b.Store(tile + (7 * stride) + Vector512<float>.Count);
        c8a.Store(tile + (8 * stride));
        c8b.Store(tile + (8 * stride) + Vector512<float>.Count);
        c9a.Store(tile + (9 * stride));
        c9b.Store(tile + (9 * stride) + Vector512<float>.Count);
        c10a.Store(tile + (10 * stride));
        c10b.Store(tile + (10 * stride) + Vector512<float>.Count);
        c11a.Store(tile + (11 * stride));
        c11b.Store(tile + (11 * stride) + Vector512<float>.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyNarrow(float* a, float* b, int depth, float* tile, nint stride, bool accumulate)
    {
        Vector512<float> c0 = Vector512<float>.Zero, c1 = Vector512<float>.Zero, c2 = Vector512<float>.Zero;
        Vector512<float> c3 = Vector512<float>.Zero, c4 = Vector512<float>.Zero, c5 = Vector512<float>.Zero;
        Vector512<float> c6 = Vector512<float>.Zero, c7 = Vector512<float>.Zero, c8 = Vector512<float>.Zero;
        Vector512<float> c9 = Vector512<float>.Zero, c10 = Vector512<float>.Zero, c11 = Vector512<float>.Zero;

        for (float* end = a + depth; a < end; a++, b += Vector512<float>.Count)
        {
            Vector512<float> x = Vector512.Load(b);
            c0 = Vector512.FusedMultiplyAdd(Vector512.Create(*a), x, c0);
            c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a[KChunk.Length]), x, c1);
            c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a[2 * KChunk.Length]), x, c2);
            c3 = Vector512.FusedMultiplyAdd(Vector512.Create(a[3 * KChunk.Length]), x, c3);
            c4 = Vector512.FusedMultiplyAdd(Vector512.Create(a[4 * KChunk.Length]), x, c4);
            c5 = Vector512.FusedMultiplyAdd(Vector512.Create(a[5 * KChunk.Length]), x, c5);
            c6 = Vector512.FusedMultiplyAdd(Vector512.Create(a[6 * KChunk.Length]), x, c6);
            c7 = Vector512.FusedMultiplyAdd(Vector512.Create(a[7 * KChunk.Length]), x, c7);
            c8 = Vector512.FusedMultiplyAdd(Vector512.Create(a[8 * KChunk.Length]), x, c8);
            c9 = Vector512.FusedMultiplyAdd(Vector512.Create(a[9 * KChunk.Length]), x, c9);
            c10 = Vector512.FusedMultiplyAdd(Vector512.Create(a[10 * KChunk.Length]), x, c10);
            c11 = Vector512.FusedMultiplyAdd(Vector512.Create(a[11 * KChunk.Length]), x, c11);
        }

        if (accumulate)
        {
            c0 += Vector512.Load(tile);
            c1 += Vector512.Load(tile + stride);
            c2 += Vector512.Load(tile + (2 * stride));
            c3 += Vector512.Load(tile + (3 * stride));
            c4 += Vector512.Load(tile + (4 * stride));
            c5 += Vector512.Load(tile + (5 * stride));
            c6 += Vector512.Load(tile + (6 * stride));
            c7 += Vector512.Load(tile + (7 * stride));
            c8 += Vector512.Load(tile + (8 * stride));
            c9 += Vector512.Load(tile + (9 * stride));
            c10 += Vector512.Load(tile + (10 * stride));
            c11 += Vector512.Load(tile + (11 * stride));
        }

        c0.Store(tile);
        c1.Store(tile + stride);
        c2.Store(tile + (2 * stride));
        c3.Store(tile + (3 * stride));
        c4.Store(tile + (4 * stride));
        c5.Store(tile + (5 * stride));
        c6.Store(tile + (6 * stride));
        c7.Store(tile + (7 * stride));
        c8.Store(tile + (8 * stride));
        c9.Store(tile + (9 * stride));
        c10.Store(tile + (10 * stride));
        c11.Store(tile + (11 * stride));
    }
}
