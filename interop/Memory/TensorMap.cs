using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>A tensor map (CUtensorMap): 128 opaque bytes, made by <see cref="GpuDevice.EncodeTensorMap"/>, that a kernel takes in its
/// arguments. There it lies at a multiple of 128 bytes, which the arguments' layout has to see to.</summary>
[StructLayout(LayoutKind.Sequential, Size = ByteCount)]
internal struct TensorMap
{
    /// <summary>The size of a tensor map, and its alignment in a kernel's arguments.</summary>
    public const int ByteCount = 128;

    private readonly ulong _first;
}

/// <summary>The elements of a tensor map (CUtensorMapDataType); 8-bit floats go as <see cref="UInt8"/>.</summary>
internal enum TensorMapType
{
    UInt8 = 0,
    Float16 = 6,
    Float32 = 7,
    BFloat16 = 9,
    TFloat32 = 11,
}

/// <summary>How 16-byte pieces are interchanged in shared memory (CUtensorMapSwizzle).</summary>
internal enum TensorMapSwizzle
{
    None = 0,
    Span32 = 1,
    Span64 = 2,
    Span128 = 3,
}

/// <summary>The sectors that a miss brings into the L2 cache (CUtensorMapL2promotion).</summary>
internal enum TensorMapPromotion
{
    None = 0,
    Bytes64 = 1,
    Bytes128 = 2,
    Bytes256 = 3,
}

/// <summary>What a tensor map describes. The fastest dimension comes first everywhere.</summary>
/// <param name="Type">The elements.</param>
/// <param name="Address">The tensor's first element: 16-byte aligned device memory.</param>
/// <param name="Dims">1 to 5 extents in elements, each 1 to 2^32.</param>
/// <param name="StridesInBytes">The strides of all dimensions but the fastest: multiples of 16, less than 2^40.</param>
/// <param name="Box">The extents of one copied tile in elements, each 1 to 256.</param>
internal readonly record struct TensorMapSpec(
    TensorMapType Type, ulong Address, IReadOnlyList<long> Dims, IReadOnlyList<long> StridesInBytes, IReadOnlyList<int> Box)
{
    /// <summary>How the tile lies in shared memory; its inner extent is then at most the span.</summary>
    public TensorMapSwizzle Swizzle { get; init; } = TensorMapSwizzle.None;

    /// <summary>What a miss brings into the L2 cache.</summary>
    public TensorMapPromotion Promotion { get; init; } = TensorMapPromotion.Bytes128;

    /// <summary>Whether elements outside the tensor read as NaN; else as 0.</summary>
    public bool FillsWithNaN { get; init; }
}
