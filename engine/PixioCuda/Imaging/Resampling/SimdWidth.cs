using System.Runtime.Intrinsics;

namespace PixioCuda.Imaging.Resampling;

/// <summary>The vector width that a resize works with; all give the same bytes.</summary>
internal enum SimdWidth
{
    Scalar,
    Bits128,
    Bits256,
    Bits512,
}

/// <summary>Which width suits this machine.</summary>
internal static class SimdWidths
{
    public static SimdWidth Best =>
        Vector512.IsHardwareAccelerated ? SimdWidth.Bits512
        : Vector256.IsHardwareAccelerated ? SimdWidth.Bits256
        : Vector128.IsHardwareAccelerated ? SimdWidth.Bits128
        : SimdWidth.Scalar;
}
