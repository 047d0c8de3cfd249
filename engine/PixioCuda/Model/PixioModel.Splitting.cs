using System.Buffers;
using PixioCuda.Cuda;

namespace PixioCuda;

/// <summary>Batches that a device's memory does not hold, in parts that it does.</summary>
public sealed partial class PixioModel
{
    /// <summary>Runs a plan, whose outputs go to the host's memory or, where they are given, to the device's; in parts where that is asked for
    /// and the whole does not fit.</summary>
    private void RunWhatFits(
        EncoderInput pixels, EncoderPlan plan, Span<float> outputs, DeviceOutputs? deviceOutputs, CancellationToken cancellationToken)
    {
        for (; ; )
        {
            // Once a batch did not fit, it is not tried whole again.
            int batch = plan.PartBatch;
            try
            {
                if (batch == plan.Shape.Batch)
                    Execute(pixels, plan, outputs, deviceOutputs, cancellationToken);
                else if (deviceOutputs is null)
                    RunParts(pixels, plan, batch, outputs, cancellationToken);
                else
                    RunParts(pixels, plan, batch, deviceOutputs, cancellationToken);
                return;
            }
            catch (DeviceMemoryException exception) when (_options.SplitBatches && exception.LargestBatch > 0)
            {
                // Parts of one size are two graphs at most, of the last part and of all others.
                int parts = (plan.Shape.Batch + exception.LargestBatch - 1) / exception.LargestBatch;
                plan.PartBatch = Math.Min(batch - 1, (plan.Shape.Batch + parts - 1) / parts);
            }
        }
    }

    private static void Execute(
        EncoderInput pixels, EncoderPlan plan, Span<float> outputs, DeviceOutputs? deviceOutputs, CancellationToken cancellationToken)
    {
        if (deviceOutputs is null)
            plan.Executable.Run(pixels, outputs, cancellationToken);
        else
            ((CudaExecutable)plan.Executable).Run(pixels, deviceOutputs, cancellationToken);
    }

    private void RunParts(EncoderInput pixels, EncoderPlan plan, int batch, Span<float> outputs, CancellationToken cancellationToken)
    {
        for (int first = 0; first < plan.Shape.Batch; first += batch)
        {
            EncoderPlan part = PartOf(plan, first, batch);
            float[] rented = ArrayPool<float>.Shared.Rent(checked((int)part.OutputLength));
            try
            {
                Span<float> values = rented.AsSpan(0, (int)part.OutputLength);
                Execute(pixels.Pictures(plan, first, part), part, values, deviceOutputs: null, cancellationToken);
                for (int i = 0; i < part.Outputs.Count; i++)
                {
                    EncoderOutputInfo from = part.Outputs[i], to = plan.Outputs[i];
                    int start = checked((int)(to.Offset + (to.Length / plan.Shape.Batch * first)));
                    values.Slice((int)from.Offset, (int)from.Length).CopyTo(outputs[start..]);
                }
            }
            finally
            {
                ArrayPool<float>.Shared.Return(rented);
            }
        }
    }

    private void RunParts(EncoderInput pixels, EncoderPlan plan, int batch, DeviceOutputs outputs, CancellationToken cancellationToken)
    {
        for (int first = 0; first < plan.Shape.Batch; first += batch)
        {
            EncoderPlan part = PartOf(plan, first, batch);
            Execute(pixels.Pictures(plan, first, part), part, default, outputs.Pictures(first, part), cancellationToken);
        }
    }

    private EncoderPlan PartOf(EncoderPlan plan, int first, int batch)
        => _plans.GetOrAdd(plan.Shape with { Batch = Math.Min(batch, plan.Shape.Batch - first) }, plan.Taps, Plan);
}
