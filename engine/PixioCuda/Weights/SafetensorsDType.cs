namespace PixioCuda.Weights;

/// <summary>Every element type the safetensors format has. The engine computes with three of them; the sizes of all are needed to
/// check a header.</summary>
internal static class SafetensorsDType
{
    /// <summary>The bits of one element, or 0 where the format has no such type.</summary>
    public static int BitsPerElement(string name) => name switch
    {
        "F4" => 4,
        "F6_E2M3" or "F6_E3M2" => 6,
        "BOOL" or "U8" or "I8" => 8,
        "F8_E4M3" or "F8_E5M2" or "F8_E8M0" or "F8_E4M3FNUZ" or "F8_E5M2FNUZ" => 8,
        "I16" or "U16" or "F16" or "BF16" => 16,
        "I32" or "U32" or "F32" => 32,
        "I64" or "U64" or "F64" or "C64" => 64,
        _ => 0,
    };

    /// <summary>The engine's type of this name, or null where it has none.</summary>
    public static DType? ToDType(string name) => name switch
    {
        "F32" => DType.F32,
        "F16" => DType.F16,
        "BF16" => DType.BF16,
        _ => null,
    };

    /// <summary>The format's name of a type.</summary>
    public static string Name(DType dtype) => dtype switch
    {
        DType.F32 => "F32",
        DType.F16 => "F16",
        DType.BF16 => "BF16",
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "The element type is not one of F32, F16 and BF16."),
    };
}
