namespace PixioCuda.Interop;

/// <summary>A function of the CUDA driver failed. The message is a whole sentence: what failed, on which device, why, and what to
/// do.</summary>
internal sealed class CudaException : Exception
{
    public CudaException(CUresult result, string function, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Result = result;
        Function = function;
    }

    /// <summary>What the function returned.</summary>
    public CUresult Result { get; }

    /// <summary>The function, under NVIDIA's name.</summary>
    public string Function { get; }
}
