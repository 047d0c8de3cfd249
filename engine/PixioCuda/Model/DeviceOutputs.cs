using PixioCuda.Cuda;

namespace PixioCuda;

/// <summary>Memory of a CUDA device for the outputs of a plan; made once by <see cref="PixioModel.CreateDeviceOutputs"/>, filled by any number
/// of runs, one at a time. A run comes back before it has filled them: see <see cref="DeviceTensor"/> for the order of what follows.</summary>
public sealed class DeviceOutputs : IDisposable
{
    private readonly DeviceTensor<float>[] _tensors;

    internal DeviceOutputs(EncoderPlan plan, DeviceOrder order, DeviceTensor<float>[] tensors)
    {
        Plan = plan;
        Order = order;
        _tensors = tensors;
    }

    /// <summary>The plan that these outputs belong to.</summary>
    public EncoderPlan Plan { get; }

    internal DeviceOrder Order { get; }

    /// <summary>In the order of <see cref="EncoderPlan.Outputs"/>.</summary>
    internal ReadOnlySpan<DeviceTensor<float>> Tensors => _tensors;

    /// <summary>One output. It is disposed of with these outputs, or before by itself if no further run is to fill them.</summary>
    /// <param name="name">One of the names in <see cref="EncoderPlan.Outputs"/>.</param>
    /// <exception cref="ArgumentException">The plan has no such output; the message lists those it has.</exception>
    public DeviceTensor<float> this[string name] => _tensors[Plan.IndexOf(name)];

    /// <summary>The outputs of a part of the batch, in the same memory.</summary>
    internal DeviceOutputs Pictures(int first, EncoderPlan part) => new(part, Order,
        [.. _tensors.Select((tensor, index) => tensor.Slice(tensor.Length / Plan.Shape.Batch * first, part.Outputs[index].Shape))]);

    /// <summary>Waits for the runs that fill the outputs, and frees their memory.</summary>
    public void Dispose()
    {
        foreach (DeviceTensor<float> tensor in _tensors)
            tensor.Dispose();
        Order.Dispose();
    }
}
