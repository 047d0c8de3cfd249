using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>A function of cuBLASLt failed.</summary>
internal sealed class CublasLtException : Exception
{
    public CublasLtException(CublasStatus status, string function, string message)
        : base(message)
    {
        Status = status;
        Function = function;
    }

    /// <summary>What the function returned.</summary>
    public CublasStatus Status { get; }

    /// <summary>The function, under NVIDIA's name.</summary>
    public string Function { get; }

    /// <summary>Throws unless a function succeeded.</summary>
    /// <param name="status">What it returned.</param>
    /// <param name="function">Its name.</param>
    /// <param name="what">What failed: "Choosing a matrix product of ...".</param>
    public static unsafe void Check(CublasStatus status, string function, string what)
    {
        if (status == CublasStatus.CUBLAS_STATUS_SUCCESS)
            return;
        string meaning = Marshal.PtrToStringUTF8((nint)CublasLtApi.cublasLtGetStatusString(status)) ?? "";
        throw new CublasLtException(status, function,
            $"{what} failed: {function} gave {status} ({(int)status}){(meaning.Length == 0 ? "" : ": " + meaning)}.");
    }
}
