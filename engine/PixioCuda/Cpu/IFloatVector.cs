using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PixioCuda.Cpu;

/// <summary>A register of float32 lanes, so that elementary functions are written once for every width that micro-kernels have. .NET's own
/// <see cref="Vector{T}"/> stops at 256 bits, even where a processor has 512.</summary>
internal unsafe interface IFloatVector<TSelf>
    where TSelf : struct, IFloatVector<TSelf>
{
    /// <summary>Lanes.</summary>
    static abstract int Count { get; }

    /// <summary>The same value in every lane.</summary>
    static abstract TSelf Create(float value);

    static abstract TSelf Load(float* from);

    /// <summary>a * b + c with one rounding.</summary>
    static abstract TSelf FusedMultiplyAdd(TSelf a, TSelf b, TSelf c);

    static abstract TSelf Abs(TSelf value);

    /// <summary>The larger of two; where one is NaN, either.</summary>
    static abstract TSelf MaxNative(TSelf a, TSelf b);

    /// <summary><paramref name="then"/> where a &lt; b, else <paramref name="otherwise"/>; a NaN is less than nothing.</summary>
    static abstract TSelf SelectLess(TSelf a, TSelf b, TSelf then, TSelf otherwise);

    /// <summary>The first lanes of a vector, and another's behind them.</summary>
    static abstract TSelf SelectFirst(int count, TSelf first, TSelf behind);

    /// <summary>2^n from n + 1.5 * 2^23, for whole n from -126 to 127.</summary>
    static abstract TSelf PowerOfTwo(TSelf shifted);

    /// <summary>Adds all lanes of a vector to a running sum that begins with zeros. It has at most eight lanes, so that its bits are the
    /// same for vectors of 256 and 512 bits.</summary>
    static abstract TSelf Accumulate(TSelf sum, TSelf value);

    /// <summary>What a running sum has come to.</summary>
    static abstract float Total(TSelf sum);

    /// <summary>The largest lane; NaNs may be left out.</summary>
    static abstract float Maximum(TSelf value);

    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf value);

    static abstract TSelf operator *(TSelf a, TSelf b);

    static abstract TSelf operator /(TSelf a, TSelf b);

    void Store(float* to);
}

/// <summary>512 bits.</summary>
internal readonly unsafe struct FloatVector512(Vector512<float> lanes) : IFloatVector<FloatVector512>
{
    private readonly Vector512<float> _lanes = lanes;

    public static int Count => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Create(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Load(float* from) => new(Vector512.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 FusedMultiplyAdd(FloatVector512 a, FloatVector512 b, FloatVector512 c) =>
        new(Vector512.FusedMultiplyAdd(a._lanes, b._lanes, c._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Abs(FloatVector512 value) => new(Vector512.Abs(value._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 MaxNative(FloatVector512 a, FloatVector512 b) => new(Vector512.MaxNative(a._lanes, b._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 SelectLess(FloatVector512 a, FloatVector512 b, FloatVector512 then, FloatVector512 otherwise) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(a._lanes, b._lanes), then._lanes, otherwise._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 SelectFirst(int count, FloatVector512 first, FloatVector512 behind) => new(Vector512.ConditionalSelect(
        Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle(), first._lanes, behind._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 PowerOfTwo(FloatVector512 shifted) =>
        new(((shifted._lanes.AsInt32() + Vector512.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Accumulate(FloatVector512 sum, FloatVector512 value) =>
        new((sum._lanes.GetLower() + value._lanes.GetLower() + value._lanes.GetUpper()).ToVector512Unsafe());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Total(FloatVector512 sum) => Vector256.Sum(sum._lanes.GetLower());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Maximum(FloatVector512 value)
    {
        Vector256<float> half = Vector256.MaxNative(value._lanes.GetLower(), value._lanes.GetUpper());
        Vector128<float> quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        quarter = Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator +(FloatVector512 a, FloatVector512 b) => new(a._lanes + b._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator -(FloatVector512 a, FloatVector512 b) => new(a._lanes - b._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator -(FloatVector512 value) => new(-value._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator *(FloatVector512 a, FloatVector512 b) => new(a._lanes * b._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 operator /(FloatVector512 a, FloatVector512 b) => new(a._lanes / b._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to) => _lanes.Store(to);
}

/// <summary>What <see cref="Vector{T}"/> has on this machine: 128 or 256 bits.</summary>
internal readonly unsafe struct FloatVector(Vector<float> lanes) : IFloatVector<FloatVector>
{
    private readonly Vector<float> _lanes = lanes;

    public static int Count => Vector<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector Create(float value) => new(new Vector<float>(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector Load(float* from) => new(Vector.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector FusedMultiplyAdd(FloatVector a, FloatVector b, FloatVector c) =>
        new(Vector.FusedMultiplyAdd(a._lanes, b._lanes, c._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector Abs(FloatVector value) => new(Vector.Abs(value._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector MaxNative(FloatVector a, FloatVector b) => new(Vector.MaxNative(a._lanes, b._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector SelectLess(FloatVector a, FloatVector b, FloatVector then, FloatVector otherwise) =>
        new(Vector.ConditionalSelect(Vector.LessThan(a._lanes, b._lanes), then._lanes, otherwise._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector SelectFirst(int count, FloatVector first, FloatVector behind) => new(Vector.ConditionalSelect(
        Vector.LessThan(Vector<int>.Indices, new Vector<int>(count)), first._lanes, behind._lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector PowerOfTwo(FloatVector shifted) =>
        new(Vector.AsVectorSingle((Vector.AsVectorInt32(shifted._lanes) + new Vector<int>(127)) << 23));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector Accumulate(FloatVector sum, FloatVector value) => new(sum._lanes + value._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Total(FloatVector sum) => Vector.Sum(sum._lanes);

    public static float Maximum(FloatVector value)
    {
        float maximum = value._lanes[0];
        for (int lane = 1; lane < Count; lane++)
            maximum = value._lanes[lane] > maximum ? value._lanes[lane] : maximum;
        return maximum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector operator +(FloatVector a, FloatVector b) => new(a._lanes + b._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector operator -(FloatVector a, FloatVector b) => new(a._lanes - b._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector operator -(FloatVector value) => new(-value._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector operator *(FloatVector a, FloatVector b) => new(a._lanes * b._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector operator /(FloatVector a, FloatVector b) => new(a._lanes / b._lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to) => _lanes.Store(to);
}
