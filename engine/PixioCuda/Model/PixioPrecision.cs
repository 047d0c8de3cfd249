namespace PixioCuda;

/// <summary>What a model computes in.</summary>
public enum PixioPrecision
{
    /// <summary>Weights and activations in float32. The only one on the CPU.</summary>
    FP32,

    /// <summary>Weights and activations in bfloat16; sums, statistics, softmax and the residual stream in float32. The default on CUDA.</summary>
    BF16,

    /// <summary>Weights and activations in float16; sums, statistics, softmax and the residual stream in float32.</summary>
    FP16,
}
