using PixioCuda.Cpu;
using PixioCuda.Interop;
using PixioCuda.Weights;

namespace PixioCuda;

/// <summary>The device that a model's options come down to.</summary>
/// <param name="CudaId">The CUDA device, or null for the CPU.</param>
/// <param name="Cpu">The CPU's vectors and threads, or null for CUDA.</param>
/// <param name="Precision">What is computed in there.</param>
/// <param name="Reason">Why it was taken, where the choice was the library's: a clause that fits after "because".</param>
internal sealed record DeviceChoice(string? CudaId, CpuTarget? Cpu, PixioPrecision Precision, string? Reason)
{
    /// <summary>Chooses.</summary>
    /// <exception cref="ArgumentException">An option is not valid, or two exclude each other.</exception>
    public static DeviceChoice Of(PixioModelOptions options)
    {
        if (options.CudaSessions is < 1 or > 1024)
            throw new ArgumentException($"{options.CudaSessions} CUDA sessions cannot be used: give a number from 1 to 1024.", nameof(options));
        if (options.WeightRingByteCount is < 1 << 20 or > 1L << 40)
        {
            throw new ArgumentException(
                $"Weights cannot be streamed through {options.WeightRingByteCount} bytes: give from 1 MiB to 1 TiB.", nameof(options));
        }

        if (options.WeightsInMemory is not (null or DType.F32 or DType.BF16))
        {
            throw new ArgumentException(
                $"Weights can be kept in memory as F32 or BF16, not as {options.WeightsInMemory}; with BF16, matrices that are stored as F16 stay F16.", nameof(options));
        }

        return options.Device switch
        {
            "cpu" => OnCpu(options, reason: null),
            "auto" => Automatic(options),
            "cuda" => OnCuda(options, options.Device, reason: null),
            _ when options.Device.StartsWith("cuda:", StringComparison.Ordinal) || options.Device.StartsWith("GPU-", StringComparison.Ordinal)
                => OnCuda(options, options.Device, reason: null),
            _ => throw new ArgumentException(
                $"There is no device '{options.Device}': use 'cpu', 'cuda', 'cuda:N', a GPU's UUID, or 'auto' to leave the choice to the library.",
                nameof(options)),
        };
    }

    private static DeviceChoice Automatic(PixioModelOptions options)
    {
        CudaDriverStatus driver = CudaDriver.Probe();
        return driver.DeviceCount > 0 ? OnCuda(options, "cuda", driver.Finding) : OnCpu(options, driver.Finding);
    }

    private static DeviceChoice OnCuda(PixioModelOptions options, string id, string? reason)
    {
        if (options.WeightsInMemory is DType type)
        {
            throw new ArgumentException(
                $"A CUDA device keeps weights in the precision that it computes in, not as {type}{(reason is null ? "" : $"; it was taken because {reason}")}. "
                + "Choose the precision instead, or the CPU.", nameof(options));
        }

        return new DeviceChoice(id, null, options.Precision ?? PixioPrecision.BF16, reason);
    }

    private static DeviceChoice OnCpu(PixioModelOptions options, string? reason)
    {
        if (options.Precision is not (null or PixioPrecision.FP32))
        {
            throw new ArgumentException(
                $"The CPU computes in float32, not in {options.Precision}{(reason is null ? "" : $", and was taken because {reason}")}.", nameof(options));
        }

        if (options.Gemm != GemmProvider.Native)
        {
            throw new ArgumentException(
                $"The CPU multiplies by its own kernels, not by cuBLASLt{(reason is null ? "" : $", and was taken because {reason}")}.", nameof(options));
        }

        int threads = options.Threads ?? Environment.ProcessorCount;
        if (threads is < 1 or > 1024)
            throw new ArgumentException($"{threads} threads cannot be used: give a number from 1 to 1024.", nameof(options));
        return new DeviceChoice(null, new CpuTarget(options.VectorBits ?? CpuTarget.WidestVectorBits, threads), PixioPrecision.FP32, reason);
    }
}
