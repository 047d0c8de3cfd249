namespace PixioCuda.Kernels;

/// <summary>The numbers that a kernel reads or writes.</summary>
internal enum ElementType
{
    F32,
    F16,
    BF16,
}

/// <summary>Facts about element types.</summary>
internal static class ElementTypes
{
    /// <summary>In bytes.</summary>
    public static int ByteCount(this ElementType type) => type == ElementType.F32 ? 4 : 2;

    /// <summary>Its name in kernels/include/convert.cuh.</summary>
    public static string DeviceName(this ElementType type) => type switch
    {
        ElementType.F32 => "f32",
        ElementType.F16 => "f16",
        ElementType.BF16 => "bf16",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "There is no such element type."),
    };
}
