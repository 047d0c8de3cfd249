using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Cpu;

/// <summary>The 6 x 8 tile for 128-bit vectors: 12 accumulators, two of B and one of A fill 15 of SSE's 16 registers and half of NEON's 32.</summary>
internal readonly unsafe struct MicroKernel128 : IMicroKernel
{
    public static int Rows => 6;

    public static int Columns => 2 * Vector128<float>.Count;

    // As wide as other panels: a narrower one would not fill an elementwise vector of a processor that has wider ones.
    public static int NarrowColumns => Columns;

    // Written out row by row: the accumulators must be locals for the compiler to keep them in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* a, float* b, int depth, float* tile, nint stride, bool accumulate, float* next, byte* far, nint farStep)
    {
        Vector128<float> c0a = Vector128<float>.Zero, c0b = Vector128<float>.Zero;
        Vector128<float> c1a = Vector128<float>.Zero, c1b = Vector128<float>.Zero;
        Vector128<float> c2a = Vector128<float>.Zero, c2b = Vector128<float>.Zero;
        Vector128<float> c3a = Vector128<float>.Zero, c3b = Vector128<float>.Zero;
        Vector128<float> c4a = Vector128<float>.Zero, c4b = Vector128<float>.Zero;
        Vector128<float> c5a = Vector128<float>.Zero, c5b = Vector128<float>.Zero;

        for (float* end = a + depth; a < end; a++)
        {
            Vector128<float> b0 = Vector128.Load(b), b1 = Vector128.Load(b + Vector128<float>.Count), x;
            x = Vector128.Create(*a);
            c0a = Vector128.FusedMultiplyAdd(x, b0, c0a);
            c0b = Vector128.FusedMultiplyAdd(x, b1, c0b);
            x = Vector128.Create(a[KChunk.Length]);
            c1a = Vector128.FusedMultiplyAdd(x, b0, c1a);
            c1b = Vector128.FusedMultiplyAdd(x, b1, c1b);
            x = Vector128.Create(a[2 * KChunk.Length]);
            c2a = Vector128.FusedMultiplyAdd(x, b0, c2a);
            c2b = Vector128.FusedMultiplyAdd(x, b1, c2b);
            x = Vector128.Create(a[3 * KChunk.Length]);
            c3a = Vector128.FusedMultiplyAdd(x, b0, c3a);
            c3b = Vector128.FusedMultiplyAdd(x, b1, c3b);
            x = Vector128.Create(a[4 * KChunk.Length]);
            c4a = Vector128.FusedMultiplyAdd(x, b0, c4a);
            c4b = Vector128.FusedMultiplyAdd(x, b1, c4b);
            x = Vector128.Create(a[5 * KChunk.Length]);
            c5a = Vector128.FusedMultiplyAdd(x, b0, c5a);
            c5b = Vector128.FusedMultiplyAdd(x, b1, c5b);
            b += 2 * Vector128<float>.Count;
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
            c0a += Vector128.Load(tile);
            c0b += Vector128.Load(tile + Vector128<float>.Count);
            c1a += Vector128.Load(tile + stride);
            c1b += Vector128.Load(tile + stride + Vector128<float>.Count);
            c2a += Vector128.Load(tile + (2 * stride));
            c2b += Vector128.Load(tile + (2 * stride) + Vector128<float>.Count);
            c3a += Vector128.Load(tile + (3 * stride));
            c3b += Vector128.Load(tile + (3 * stride) + Vector128<float>.Count);
            c4a += Vector128.Load(tile + (4 * stride));
            c4b += Vector128.Load(tile + (4 * stride) + Vector128<float>.Count);
            c5a += Vector128.Load(tile + (5 * stride));
            c5b += Vector128.Load(tile + (5 * stride) + Vector128<float>.Count);
        }

        c0a.Store(tile);
        c0b.Store(tile + Vector128<float>.Count);
        c1a.Store(tile + stride);
        c1b.Store(tile + stride + Vector128<float>.Count);
        c2a.Store(tile + (2 * stride));
        c2b.Store(tile + (2 * stride) + Vector128<float>.Count);
        c3a.Store(tile + (3 * stride));
        c3b.Store(tile + (3 * stride) + Vector128<float>.Count);
        c4a.Store(tile + (4 * stride));
        c4b.Store(tile + (4 * stride) + Vector128<float>.Count);
        c5a.Store(tile + (5 * stride));
        c5b.Store(tile + (5 * stride) + Vector128<float>.Count);
    }

    public static void MultiplyNarrow(float* a, float* b, int depth, float* tile, nint stride, bool accumulate) =>
        Multiply(a, b, depth, tile, stride, accumulate, next: a, far: (byte*)a, farStep: 0);
}
