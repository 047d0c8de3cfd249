using System.Numerics;
using System.Runtime.InteropServices;

namespace PixioCuda;

/// <summary>The check of <see cref="PixioModelOptions.CheckFinite"/>.</summary>
public sealed partial class PixioModel
{
    /// <summary>Throws when an output has a value that is not finite, and says where in the encoder the first one appears.</summary>
    /// <exception cref="PixioException">It has.</exception>
    private void ThrowUnlessFinite(EncoderInput pixels, EncoderPlan plan, ReadOnlySpan<float> outputs, CancellationToken cancellationToken)
    {
        foreach (EncoderOutputInfo output in plan.Outputs)
        {
            ReadOnlySpan<float> values = outputs.Slice(checked((int)output.Offset), checked((int)output.Length));
            if (IsFinite(values))
                continue;
            int index = 0;
            while (float.IsFinite(values[index]))
                index++;
            int picture = (int)(index / (output.Length / plan.Shape.Batch));
            throw new PixioException(
                $"Picture {picture} of a batch of {plan.Shape} has values in {output.Name} that are not finite (NaN or infinity). "
                + WhereFrom(pixels, plan, picture, cancellationToken));
        }
    }

    /// <summary>Whether no value is NaN or infinite.</summary>
    internal static bool IsFinite(ReadOnlySpan<float> values)
    {
        // Nothing but NaN and infinity times zero is other than zero.
        ReadOnlySpan<Vector<float>> vectors = MemoryMarshal.Cast<float, Vector<float>>(values);
        Vector<float> sum = Vector<float>.Zero;
        foreach (Vector<float> vector in vectors)
            sum += vector * Vector<float>.Zero;
        float last = 0;
        foreach (float value in values[(vectors.Length * Vector<float>.Count)..])
            last += value * 0;
        return Vector.Sum(sum) + last == 0;
    }

    /// <summary>What the picture alone shows: its pixels, or the first hidden state that is not finite. What is not finite in the residual
    /// stream stays so, so that halving finds it.</summary>
    private string WhereFrom(EncoderInput pixels, EncoderPlan plan, int picture, CancellationToken cancellationToken)
    {
        EncoderPlan one = Plan(plan.Shape with { Batch = 1 }, new EncoderTaps { HiddenStates = [0] });
        EncoderInput input = pixels.Pictures(plan, picture, one);
        if (input.Format == PixelFormat.F32 && !IsFinite(input.ToHost()))
            return "Its pixel values are not finite themselves.";
        int first = 0, end = Config.HiddenLayers + 1;
        while (first < end)
        {
            int middle = (first + end) / 2;
            EncoderPlan probe = Plan(one.Shape, new EncoderTaps { HiddenStates = [middle] });
            float[] state = new float[probe.OutputLength];
            probe.Executable.Run(input, state, cancellationToken);
            if (IsFinite(state))
                first = middle + 1;
            else
                end = middle;
        }

        string place = first == 0 ? "in the embeddings (hidden_states.0)"
            : first <= Config.HiddenLayers ? $"in block {first - 1} (hidden_states.{first})"
            : "behind the last block";
        return $"The first appear {place}. " + (Precision == PixioPrecision.FP16
            ? "Numbers in float16 end at 65504: use bf16 or fp32."
            : "Look at the model's weights: 'pixio verify' names those that are not finite or unusually large.");
    }
}
