using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Imaging.Resampling;

/// <summary>Sixteen lanes: five RGB pixels and an unused lane.</summary>
internal readonly struct Lanes512 : ILanes<Vector512<int>>
{
    public static int Count => Vector512<int>.Count;

    public static int PixelCount => 5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Broadcast(int value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load(ref int source) => Vector512.LoadUnsafe(ref source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> LoadBytes(ref byte source) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(Vector128.LoadUnsafe(ref source))
            : Vector512.WidenLower(Vector512.WidenLower(
                Vector128.LoadUnsafe(ref source).ToVector256Unsafe().ToVector512Unsafe())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(Vector512<int> left, Vector512<int> right, Vector512<int> addend) => left * right + addend;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SumPixels(Vector512<int> pixels)
    {
        // Pixels 0 and 2, 1 and 3; then those two and pixel 4.
        Vector512<int> twoFurther = Vector512.Shuffle(pixels, Vector512.Create(6, 7, 8, 9, 10, 11, 6, 7, 6, 7, 8, 9, 10, 11, 6, 7));
        Vector256<int> pairs = (pixels + twoFurther).GetLower();
        Vector128<int> second = Vector256.Shuffle(pairs, Vector256.Create(3, 4, 5, 3, 4, 5, 3, 4)).GetLower();
        return pairs.GetLower() + second + pixels.GetUpper().GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(Vector512<int> a, Vector512<int> b, Vector512<int> c, Vector512<int> d, ref byte destination) =>
        Vector512.Narrow(Vector512.Narrow(Clip(a), Clip(b)), Vector512.Narrow(Clip(c), Clip(d))).AsByte().StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Clip(Vector512<int> sum) =>
        Vector512.Min(Vector512.Max(sum >> BicubicAxis.FractionBits, Vector512<int>.Zero), Vector512.Create(255));
}
