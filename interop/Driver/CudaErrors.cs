using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>What the driver's results mean, in sentences.</summary>
internal static unsafe class CudaErrors
{
    /// <summary>Whether a result says that the context is lost: every later call in it gives the same result (cuda.h, "leaves the process
    /// in an inconsistent state").</summary>
    public static bool IsSticky(CUresult result) => result is CUresult.CUDA_ERROR_DEINITIALIZED
        or CUresult.CUDA_ERROR_ECC_UNCORRECTABLE or CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE
        or CUresult.CUDA_ERROR_ILLEGAL_ADDRESS or CUresult.CUDA_ERROR_LAUNCH_TIMEOUT or CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED
        or CUresult.CUDA_ERROR_ASSERT or CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR or CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION
        or CUresult.CUDA_ERROR_MISALIGNED_ADDRESS or CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE or CUresult.CUDA_ERROR_INVALID_PC
        or CUresult.CUDA_ERROR_LAUNCH_FAILED or CUresult.CUDA_ERROR_MPS_CLIENT_TERMINATED;

    /// <summary>Throws unless a function that belongs to no device has succeeded.</summary>
    public static void Check(CUresult result, string function)
    {
        if (result != CUresult.CUDA_SUCCESS)
            Throw(result, function, "The CUDA driver's function");
    }

    /// <summary>The result's name, number and meaning: "CUDA_ERROR_OUT_OF_MEMORY (2): out of memory".</summary>
    public static string Describe(CUresult result)
    {
        string name = CudaDriverApi.cuGetErrorName(result, out byte* nameText) == CUresult.CUDA_SUCCESS && nameText != null
            ? Marshal.PtrToStringUTF8((nint)nameText)! : "an unknown error";
        string meaning = CudaDriverApi.cuGetErrorString(result, out byte* text) == CUresult.CUDA_SUCCESS && text != null
            ? ": " + Marshal.PtrToStringUTF8((nint)text) : "";
        return string.Create(CultureInfo.InvariantCulture, $"{name} ({(int)result}){meaning}");
    }

    /// <summary>The exception for a failed function.</summary>
    /// <param name="result">What it returned.</param>
    /// <param name="function">Its name.</param>
    /// <param name="subject">The beginning of the sentence: what failed, before the function's name in brackets.</param>
    public static CudaException Create(CUresult result, string function, string subject)
    {
        string advice = Advice(result);
        return new CudaException(result, function,
            $"{subject} {function} gave {Describe(result)}.{(advice.Length == 0 ? "" : " " + advice)}");
    }

    [DoesNotReturn]
    [StackTraceHidden]
    private static void Throw(CUresult result, string function, string subject) => throw Create(result, function, subject);

    private static string Advice(CUresult result) => result switch
    {
        CUresult.CUDA_ERROR_OUT_OF_MEMORY
            => "Take a smaller batch or a smaller model, or end what else uses this GPU (nvidia-smi lists it).",
        CUresult.CUDA_ERROR_NO_DEVICE
            => "The driver sees no GPU: check nvidia-smi, CUDA_VISIBLE_DEVICES and, in a container, that it was started with its GPUs.",
        CUresult.CUDA_ERROR_STUB_LIBRARY => "The library that was loaded is the toolkit's stub: install the driver itself.",
        CUresult.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
            => "The driver's library and its kernel module differ in version: restart the machine after the driver's update.",
        CUresult.CUDA_ERROR_UNKNOWN => "After a suspend or a driver's update, restart the machine or reload the module nvidia_uvm.",
        CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU or CUresult.CUDA_ERROR_INVALID_IMAGE =>
            "The kernel was compiled for another GPU, or by a newer NVRTC than this driver knows: "
            + "update the driver or use NVRTC of its version.",
        _ => "",
    };
}
