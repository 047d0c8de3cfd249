using PixioCuda.Cuda;
using PixioCuda.Diagnostics;
using PixioCuda.Interop;

namespace PixioCuda;

/// <summary>Runs whose input or outputs stay in a CUDA device's memory.</summary>
public sealed partial class PixioModel
{
    /// <summary>Makes memory on the model's CUDA device for the outputs of an input shape and a set of taps, to be filled by
    /// <see cref="Run(EncoderInput, DeviceOutputs, CancellationToken)"/>.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Plan"/>.</exception>
    /// <exception cref="PixioException">The model is not on a CUDA device, or the device has too little memory.</exception>
    public DeviceOutputs CreateDeviceOutputs(InputShape shape, EncoderTaps taps)
    {
        ArgumentNullException.ThrowIfNull(taps);
        CudaBackend backend = RequireCuda("Device memory for outputs");
        EncoderPlan plan = _plans.GetOrAdd(shape, taps, Plan);
        return CudaFailure.Translate(() => backend.CreateOutputs(plan));
    }

    /// <summary>Makes a tensor in the memory of the model's CUDA device; its contents are undefined.</summary>
    /// <typeparam name="T">float or byte.</typeparam>
    /// <param name="shape">Dimensions, outermost first: those of <see cref="InputShape"/> for the input of a run.</param>
    /// <exception cref="ArgumentException">A dimension is less than 1, or the element type is another one.</exception>
    /// <exception cref="PixioException">The model is not on a CUDA device, or the device has too little memory.</exception>
    public DeviceTensor<T> CreateDeviceTensor<T>(params int[] shape)
        where T : unmanaged
    {
        CheckElement<T>();
        int[] dimensions = [.. shape ?? throw new ArgumentNullException(nameof(shape))];
        long length = DeviceTensor.LengthOf(dimensions);
        CudaBackend backend = RequireCuda("A tensor in device memory");
        return CudaFailure.Translate(() => backend.CreateTensor<T>(dimensions, length));
    }

    /// <summary>Looks at memory of the model's CUDA device that the host has allocated as a tensor. It stays the host's to free, after the
    /// tensor was disposed of, which waits for the runs that use it.</summary>
    /// <typeparam name="T">float or byte.</typeparam>
    /// <param name="address">The address of the first element (a <c>CUdeviceptr</c>) in the device's primary context, which the CUDA runtime
    /// and PyTorch use too. Nothing can check that it is valid for the whole shape.</param>
    /// <param name="shape">Dimensions, outermost first.</param>
    /// <exception cref="ArgumentException">The address is null, a dimension is less than 1, or the element type is another one.</exception>
    /// <exception cref="PixioException">The model is not on a CUDA device.</exception>
    public DeviceTensor<T> BorrowDeviceMemory<T>(nint address, params int[] shape)
        where T : unmanaged
    {
        CheckElement<T>();
        if (address == 0)
            throw new ArgumentException("A null address is no device memory.", nameof(address));
        int[] dimensions = [.. shape ?? throw new ArgumentNullException(nameof(shape))];
        _ = DeviceTensor.LengthOf(dimensions);
        CudaBackend backend = RequireCuda("Device memory");
        return CudaFailure.Translate(() => backend.BorrowTensor<T>(address, dimensions));
    }

    /// <summary>Runs the encoder and leaves its outputs on the device. Comes back as soon as the work is on a stream of the model's own; with
    /// an input in device memory, and a shape that has been run or warmed up before, the host waits for nothing. Allocates no managed
    /// memory.</summary>
    /// <param name="pixels">Pixels of the type that the plan's shape says, in the host's memory (read before this comes back) or in the
    /// device's.</param>
    /// <param name="outputs">From <see cref="CreateDeviceOutputs"/> of this model; overwritten.</param>
    /// <param name="cancellationToken">Looked at before the run begins.</param>
    /// <exception cref="ArgumentException">The pixels are not as many or not of the type that the shape says, they are on another device, or
    /// the outputs belong to another model.</exception>
    /// <exception cref="DeviceMemoryException">The device has too little memory; the message says how many pictures fit.</exception>
    /// <exception cref="PixioException">The device fails, or an output is not finite where that is checked. A failure of the run itself shows
    /// in what waits for its results: <see cref="DeviceTensor.Synchronize"/> or a copy.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model or the outputs were disposed of.</exception>
    public void Run(EncoderInput pixels, DeviceOutputs outputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        CheckInput(pixels, outputs.Plan);
        using (_telemetry.Time(PixioStage.Forward))
            RunWhatFits(pixels, outputs.Plan, default, outputs, cancellationToken);
        _telemetry.CountPictures(outputs.Plan.Shape.Batch);
        if (!_options.CheckFinite)
            return;
        float[] values = new float[outputs.Plan.OutputLength];
        for (int i = 0; i < outputs.Tensors.Length; i++)
            outputs.Tensors[i].CopyTo(values.AsSpan((int)outputs.Plan.Outputs[i].Offset, (int)outputs.Plan.Outputs[i].Length));
        ThrowUnlessFinite(pixels, outputs.Plan, values, cancellationToken);
    }

    private static void CheckElement<T>()
    {
        if (typeof(T) != typeof(float) && typeof(T) != typeof(byte))
            throw new ArgumentException($"A tensor in device memory has elements of float or byte, not of {typeof(T).Name}.");
    }

    private CudaBackend RequireCuda(string what) => _backend as CudaBackend
        ?? throw new PixioException($"{what} takes a model on a CUDA device, and this one is on {Device}. Load it with the device \"cuda\".");

    private void CheckDevice(DeviceTensor tensor)
    {
        GpuDeviceInfo? device = CudaDevice;
        if (device is null)
        {
            throw new ArgumentException(
                $"The pixels are in the memory of {tensor.Gpu.Info.Title}, and this model is on {Device}. Copy them to the host first.");
        }

        if (device.Ordinal != tensor.Gpu.Info.Ordinal)
        {
            throw new ArgumentException(
                $"The pixels are in the memory of {tensor.Gpu.Info.Title}, and this model is on {device.Title}. Copy them there first.");
        }
    }
}
