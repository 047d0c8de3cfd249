using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PixioCuda.Imaging.Resampling;

/// <summary>Four lanes: one RGB pixel and an unused lane.</summary>
internal readonly struct Lanes128 : ILanes<Vector128<int>>
{
    public static int Count => Vector128<int>.Count;

    public static int PixelCount => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Broadcast(int value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Load(ref int source) => Vector128.LoadUnsafe(ref source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> LoadBytes(ref byte source) =>
        Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(ref source)).AsByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> left, Vector128<int> right, Vector128<int> addend) => left * right + addend;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SumPixels(Vector128<int> pixels) => pixels;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(Vector128<int> a, Vector128<int> b, Vector128<int> c, Vector128<int> d, ref byte destination) =>
        Vector128.Narrow(Vector128.Narrow(Clip(a), Clip(b)), Vector128.Narrow(Clip(c), Clip(d))).AsByte().StoreUnsafe(ref destination);

    /// <summary>Takes the fraction off and clips to 0 to 255.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Clip(Vector128<int> sum) =>
        Vector128.Min(Vector128.Max(sum >> BicubicAxis.FractionBits, Vector128<int>.Zero), Vector128.Create(255));
}
