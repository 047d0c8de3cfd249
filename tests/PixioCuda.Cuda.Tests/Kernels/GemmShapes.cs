using PixioCuda.Kernels;

namespace PixioCuda.Cuda.Tests;

/// <summary>The matrix products of encoders.</summary>
internal static class GemmShapes
{
    private static readonly (ElementType Element, ElementType Stream)[] Types =
    [
        (ElementType.BF16, ElementType.BF16), (ElementType.BF16, ElementType.F32), (ElementType.F16, ElementType.F16),
        (ElementType.F16, ElementType.F32), (ElementType.F32, ElementType.F32),
    ];

    /// <summary>Those of every preset, at several batches and picture sizes, in every precision, with class tokens alone as well.</summary>
    public static IEnumerable<GemmShape> OfPresets()
    {
        int[] widths = [768, 1024, 1280, 1536, 3072];
        // Tokens of 256, 512 and 1024 square pictures; 8 class tokens.
        int[] rows = [8, 264, 1032, 4104];
        int[] batches = [1, 3, 8, 64];
        return from width in widths
               from tokens in rows
               from batch in batches
               from types in Types
               from shape in Encoder(batch * tokens, width, 4 * width, types.Element, types.Stream)
               select shape;
    }

    /// <summary>Sizes that divide nothing.</summary>
    public static IEnumerable<GemmShape> Odd()
    {
        int[] sizes = [1, 7, 12, 63, 65, 96, 265];
        return from m in sizes
               from n in sizes
               from k in sizes
               from types in Types
               select new GemmShape(m, n, k, types.Element, types.Stream, GemmEpilogue.BiasResidual, types.Stream);
    }

    /// <summary>qkv with and without bias, proj, fc1 and fc2 of one encoder.</summary>
    public static IEnumerable<GemmShape> Encoder(int m, int width, int hidden, ElementType element, ElementType stream) =>
    [
        new(m, 3 * width, width, element, element, GemmEpilogue.Bias),
        new(m, 3 * width, width, element, element, GemmEpilogue.None),
        new(m, width, width, element, stream, GemmEpilogue.BiasResidual, stream),
        new(m, hidden, width, element, element, GemmEpilogue.BiasGelu),
        new(m, width, hidden, element, stream, GemmEpilogue.BiasResidual, stream),
    ];
}
