namespace PixioCuda;

/// <summary>What multiplies matrices on a CUDA device.</summary>
public enum GemmProvider
{
    /// <summary>This library's own kernels, which sum in one order, so that a picture's bits do not depend on its batch.</summary>
    Native,

    /// <summary>NVIDIA's cuBLASLt, which chooses an algorithm for each shape: a picture's bits may depend on its batch. It has to be
    /// installed.</summary>
    CublasLt,
}
