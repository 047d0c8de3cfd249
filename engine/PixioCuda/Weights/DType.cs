namespace PixioCuda.Weights;

/// <summary>The element types of checkpoint tensors that the engine can read, in safetensors' names.</summary>
public enum DType
{
    /// <summary>IEEE 754 binary32.</summary>
    F32,

    /// <summary>IEEE 754 binary16.</summary>
    F16,

    /// <summary>The upper half of a binary32.</summary>
    BF16,
}
