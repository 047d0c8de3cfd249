namespace PixioCuda.Kernels;

/// <summary>How a model computes on a GPU.</summary>
internal enum Precision
{
    /// <summary>Weights and activations in bfloat16; sums, statistics and softmax in float32.</summary>
    BF16,

    /// <summary>Weights and activations in float16; sums, statistics and softmax in float32.</summary>
    F16,

    /// <summary>Everything in float32, sums along K in chunks; no tensor cores.</summary>
    F32,
}

/// <summary>Facts about precisions.</summary>
internal static class Precisions
{
    /// <summary>As command lines and tables call it.</summary>
    public static string Name(this Precision precision) => precision switch
    {
        Precision.BF16 => "bf16",
        Precision.F16 => "fp16",
        Precision.F32 => "fp32",
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "There is no such precision."),
    };

    /// <summary>The type of weights and activations.</summary>
    public static ElementType Element(this Precision precision) => precision switch
    {
        Precision.BF16 => ElementType.BF16,
        Precision.F16 => ElementType.F16,
        Precision.F32 => ElementType.F32,
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "There is no such precision."),
    };
}
