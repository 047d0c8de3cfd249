using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Imaging.Resampling;

/// <summary>Eight lanes: two RGB pixels and two unused lanes.</summary>
internal readonly struct Lanes256 : ILanes<Vector256<int>>
{
    public static int Count => Vector256<int>.Count;

    public static int PixelCount => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Broadcast(int value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load(ref int source) => Vector256.LoadUnsafe(ref source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LoadBytes(ref byte source) =>
        Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref source)).AsByte())
            : Vector256.WidenLower(Vector256.WidenLower(
                Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref source)).AsByte().ToVector256Unsafe())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> left, Vector256<int> right, Vector256<int> addend) => left * right + addend;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SumPixels(Vector256<int> pixels) =>
        (pixels + Vector256.Shuffle(pixels, Vector256.Create(3, 4, 5, 3, 4, 5, 3, 4))).GetLower();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d, ref byte destination) =>
        Vector256.Narrow(Vector256.Narrow(Clip(a), Clip(b)), Vector256.Narrow(Clip(c), Clip(d))).AsByte().StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Clip(Vector256<int> sum) =>
        Vector256.Min(Vector256.Max(sum >> BicubicAxis.FractionBits, Vector256<int>.Zero), Vector256.Create(255));
}
