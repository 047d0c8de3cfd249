using PixioCuda.Cuda;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda;

/// <summary>What <c>pixio profile</c> asks of a model.</summary>
public sealed partial class PixioModel
{
    /// <summary>The CUDA device that the model is on, or null.</summary>
    internal GpuDeviceInfo? CudaDevice => (_backend as CudaBackend)?.Device;

    /// <summary>What the choice of its kernels keeps to; null on the CPU.</summary>
    internal DeviceLimits? CudaLimits => (_backend as CudaBackend)?.Limits;

    /// <summary>What bringing the weights to the CUDA device took; null on the CPU.</summary>
    internal TimeSpan? CudaWeightTime => (_backend as CudaBackend)?.WeightTime;

    /// <summary>What a run of a plan launches; nothing runs.</summary>
    /// <exception cref="PixioException">The model is not on a CUDA device, or the device has too little memory.</exception>
    internal static IReadOnlyList<CudaLaunch> DescribeLaunches(EncoderPlan plan) => Launchable(plan).DescribeLaunches();

    /// <summary>Measures what a run of a plan launches.</summary>
    /// <param name="pixels">pixel_values [B, C, H, W].</param>
    /// <param name="plan">A plan of a model on a CUDA device.</param>
    /// <param name="runs">At least 1; medians are taken over them.</param>
    /// <param name="cancellationToken">Looked at between the runs.</param>
    /// <exception cref="PixioException">The model is not on a CUDA device, or the device has too little memory.</exception>
    internal static CudaProfile Profile(float[] pixels, EncoderPlan plan, int runs, CancellationToken cancellationToken)
        => Launchable(plan).Profile(pixels, runs, cancellationToken);

    private static CudaExecutable Launchable(EncoderPlan plan) => plan.Executable as CudaExecutable
        ?? throw new PixioException($"Launches are those of a CUDA device, and this model is on {plan.Model.Device}.");
}
