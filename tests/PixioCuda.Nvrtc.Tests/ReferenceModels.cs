using PixioCuda.Kernels;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>The dimensions of the small models whose reference outputs are in tests/data.</summary>
internal static class ReferenceModels
{
    public static IReadOnlyList<EncoderDimensions> All { get; } =
    [
        new("tiny", 64, 4, 256, 3, 16, 16, 8, QkvBias: true, 64, 64),
        new("tiny-hd80", 160, 2, 640, 3, 16, 16, 8, QkvBias: true, 64, 64),
        new("tiny-hd96", 192, 2, 768, 3, 16, 16, 8, QkvBias: true, 64, 64),
        new("tiny-odd", 36, 3, 72, 1, 8, 8, 1, QkvBias: false, 40, 40),
    ];
}
