using PixioCuda.Interop;

namespace PixioCuda.Cuda;

/// <summary>Turns what goes wrong on a device into the library's own exceptions.</summary>
internal static class CudaFailure
{
    /// <summary>Runs something that calls the driver or the compiler.</summary>
    /// <exception cref="PixioException">It failed; the message says what and what to do.</exception>
    public static T Translate<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception exception) when (exception is CudaException or CudaLibraryException or CublasLtException or KernelCompilationException)
        {
            throw new PixioException(exception.Message, exception);
        }
    }

    /// <inheritdoc cref="Translate{T}"/>
    public static void Translate(Action action) => Translate(() =>
    {
        action();
        return true;
    });

    /// <summary>The failure of bringing a picture to a device.</summary>
    /// <param name="exception">What the driver said.</param>
    /// <param name="device">The device.</param>
    /// <param name="needed">The bytes that were needed.</param>
    public static PixioException OfPreprocessing(CudaException exception, GpuDevice device, long needed)
    {
        if (exception.Result != CUresult.CUDA_ERROR_OUT_OF_MEMORY)
            return new PixioException(exception.Message, exception);
        long free = device.MemoryInfo.Free;
        return new DeviceMemoryException(
            FormattableString.Invariant($"Preprocessing pictures on {device.Info.Title} needs {needed:N0} bytes more: {exception.Message} ")
            + "Preprocess them on the CPU (--preprocess cpu), or use smaller batches.",
            needed, free, largestBatch: 0, exception);
    }

    /// <summary>The failure of a run.</summary>
    public static PixioException Of(CudaException exception, GpuDevice device, CudaExecutable executable)
    {
        if (exception.Result != CUresult.CUDA_ERROR_OUT_OF_MEMORY)
            return new PixioException(exception.Message, exception);
        long needed = executable.DeviceByteCount, free = device.MemoryInfo.Free;
        int largest = executable.LargestBatch(free);
        string advice = largest > 0 ? $"The largest batch of such pictures that fits is {largest}."
            : "Not even one such picture fits: use smaller ones or a smaller model, or end what else uses this GPU (nvidia-smi lists it).";
        return new DeviceMemoryException(
            FormattableString.Invariant(
                $"{device.Info.Title} has too little memory for a batch of {executable.Shape}: {needed:N0} bytes are needed and {free:N0} are free. {advice}"),
            needed, free, largest, exception);
    }
}
