using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PixioCuda;

public sealed partial class PixioModel
{
    /// <summary>Runs the encoder on a tensor, into outputs made before. Allocates no managed memory.</summary>
    /// <param name="pixels">pixel_values [B, C, H, W], normalised; dense.</param>
    /// <param name="outputs">From <see cref="CreateOutputs"/> of this model; overwritten.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run; the outputs are then undefined.</param>
    /// <exception cref="ArgumentException">The tensor is not dense, its shape is not the plan's, or the outputs belong to another
    /// model.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    [OverloadResolutionPriority(-1)]
    public void Run(in ReadOnlyTensorSpan<float> pixels, EncoderOutputs outputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        Run(InputOf(pixels, outputs.Plan), outputs.Plan, outputs.Values, cancellationToken);
    }

    /// <summary>Runs a plan with one output on a tensor, into the caller's tensor. Allocates no managed memory.</summary>
    /// <param name="pixels">pixel_values [B, C, H, W], normalised; dense.</param>
    /// <param name="plan">From <see cref="Plan"/> of this model, with one output.</param>
    /// <param name="output">Of the shape of <see cref="EncoderPlan.Outputs"/>[0]; dense; overwritten.</param>
    /// <param name="cancellationToken">Looked at between the steps of the run; the output is then undefined.</param>
    /// <exception cref="ArgumentException">A tensor is not dense or not of the plan's shape, or the plan has several outputs or belongs to
    /// another model.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    [OverloadResolutionPriority(-1)]
    public void Run(
        in ReadOnlyTensorSpan<float> pixels, EncoderPlan plan, in TensorSpan<float> output, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.Outputs.Count != 1)
        {
            throw new ArgumentException(
                $"This plan has {plan.Outputs.Count} outputs ({string.Join(", ", plan.Outputs.Select(each => each.Name))}), and one tensor was given: "
                + "give memory for all of them end to end, or make a plan with one.", nameof(plan));
        }

        ReadOnlySpan<float> input = InputOf(pixels, plan);
        EncoderOutputInfo info = plan.Outputs[0];
        bool fits = output.Rank == info.Shape.Count;
        for (int axis = 0; fits && axis < output.Rank; axis++)
            fits = output.Lengths[axis] == info.Shape[axis];
        if (!fits || !output.IsDense)
            throw Misfit(info.Name, $"[{string.Join(", ", info.Shape)}]", output.Lengths, output.IsDense, nameof(output));
        Run(input, plan, MemoryMarshal.CreateSpan(ref output.GetPinnableReference(), (int)output.FlattenedLength), cancellationToken);
    }

    private ReadOnlySpan<float> InputOf(in ReadOnlyTensorSpan<float> pixels, EncoderPlan plan)
    {
        InputShape shape = plan.Shape;
        ReadOnlySpan<nint> lengths = pixels.Lengths;
        bool fits = lengths.Length == 4 && lengths[0] == shape.Batch && lengths[1] == Config.Channels
            && lengths[2] == shape.Size.Height && lengths[3] == shape.Size.Width;
        if (!fits || !pixels.IsDense)
        {
            throw Misfit(
                "pixel_values", $"[{shape.Batch}, {Config.Channels}, {shape.Size.Height}, {shape.Size.Width}]", lengths, pixels.IsDense, nameof(pixels));
        }

        return MemoryMarshal.CreateReadOnlySpan(in pixels.GetPinnableReference(), checked((int)pixels.FlattenedLength));
    }

    private static ArgumentException Misfit(string name, string expected, ReadOnlySpan<nint> lengths, bool isDense, string parameter) => new(
        $"{name} of this plan is a dense tensor {expected}, but {(isDense ? "one" : "one with gaps or repeats")} of "
        + $"[{string.Join(", ", lengths.ToArray())}] was given{(isDense ? "." : ": copy it into a dense one first.")}", parameter);
}
