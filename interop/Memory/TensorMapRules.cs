using System.Globalization;

namespace PixioCuda.Interop;

/// <summary>The rules of tensor maps, so that a broken one is named; the driver only says "invalid value".</summary>
internal static class TensorMapRules
{
    /// <summary>The size of an element in bytes.</summary>
    public static int ElementBytes(TensorMapType type) => type switch
    {
        TensorMapType.UInt8 => 1,
        TensorMapType.Float16 or TensorMapType.BFloat16 => 2,
        TensorMapType.Float32 or TensorMapType.TFloat32 => 4,
        _ => throw new ArgumentException($"A tensor map has no elements of type {type}.", nameof(type)),
    };

    /// <exception cref="ArgumentException">A rule is broken.</exception>
    public static void Check(in TensorMapSpec spec)
    {
        int rank = spec.Dims.Count;
        Require(rank is >= 1 and <= 5, $"it has {rank} dimensions, and 1 to 5 are possible");
        Require(spec.Box.Count == rank, $"its box has {spec.Box.Count} dimensions, and the tensor {rank}");
        Require(spec.StridesInBytes.Count == rank - 1,
            $"it has {spec.StridesInBytes.Count} strides, and {rank} dimensions take {rank - 1}");
        Require(spec.Address != 0 && spec.Address % 16 == 0, $"its address 0x{spec.Address:x} is no multiple of 16");
        for (int d = 0; d < rank; d++)
        {
            Require(spec.Dims[d] is >= 1 and <= 1L << 32, $"its extent {spec.Dims[d]} of dimension {d} is not within 1 to 2^32");
            Require(spec.Box[d] is >= 1 and <= 256, $"its box's extent {spec.Box[d]} of dimension {d} is not within 1 to 256");
            if (d > 0)
            {
                long stride = spec.StridesInBytes[d - 1];
                Require(stride is > 0 and < 1L << 40 && stride % 16 == 0,
                    $"its stride {stride} of dimension {d} is no multiple of 16 bytes below 2^40");
            }
        }

        int innerBytes = spec.Box[0] * ElementBytes(spec.Type);
        Require(innerBytes % 16 == 0, $"a row of its box has {innerBytes} bytes, no multiple of 16");
        int span = spec.Swizzle switch
        {
            TensorMapSwizzle.None => int.MaxValue,
            TensorMapSwizzle.Span32 => 32,
            TensorMapSwizzle.Span64 => 64,
            TensorMapSwizzle.Span128 => 128,
            _ => throw new ArgumentException($"A tensor map has no swizzle {spec.Swizzle}.", nameof(spec)),
        };
        Require(innerBytes <= span, $"a row of its box has {innerBytes} bytes, more than the swizzle's {span}");
    }

    private static void Require(bool holds, FormattableString otherwise)
    {
        if (!holds)
            throw new ArgumentException($"The tensor map cannot be made: {otherwise.ToString(CultureInfo.InvariantCulture)}.");
    }
}
