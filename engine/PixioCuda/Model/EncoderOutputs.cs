using System.Numerics.Tensors;

namespace PixioCuda;

/// <summary>Memory for the outputs of a plan; made once, filled by any number of runs.</summary>
public sealed class EncoderOutputs
{
    private readonly float[] _values;

    internal EncoderOutputs(EncoderPlan plan)
    {
        if (plan.OutputLength > Array.MaxLength)
        {
            throw new ArgumentException(
                $"The outputs of a batch of {plan.Shape} have {plan.OutputLength:N0} elements, more than one array holds. Use a smaller batch or fewer taps.",
                nameof(plan));
        }

        Plan = plan;
        _values = new float[plan.OutputLength];
    }

    /// <summary>The plan that these outputs belong to.</summary>
    public EncoderPlan Plan { get; }

    /// <summary>All outputs end to end.</summary>
    public Span<float> Values => _values;

    /// <summary>One output's elements, row-major.</summary>
    /// <param name="name">One of the names in <see cref="EncoderPlan.Outputs"/>.</param>
    /// <exception cref="ArgumentException">The plan has no such output; the message lists those it has.</exception>
    public Memory<float> this[string name]
    {
        get
        {
            EncoderOutputInfo info = Find(name);
            return _values.AsMemory((int)info.Offset, (int)info.Length);
        }
    }

    /// <summary>One output's dimensions, outermost first.</summary>
    /// <param name="name">One of the names in <see cref="EncoderPlan.Outputs"/>.</param>
    /// <exception cref="ArgumentException">The plan has no such output; the message lists those it has.</exception>
    public IReadOnlyList<int> ShapeOf(string name) => Find(name).Shape;

    /// <summary>One output as a tensor over its memory.</summary>
    /// <param name="name">One of the names in <see cref="EncoderPlan.Outputs"/>.</param>
    /// <exception cref="ArgumentException">The plan has no such output; the message lists those it has.</exception>
    public ReadOnlyTensorSpan<float> TensorOf(string name)
    {
        EncoderOutputInfo info = Find(name);
        Span<nint> lengths = stackalloc nint[info.Shape.Count];
        for (int axis = 0; axis < lengths.Length; axis++)
            lengths[axis] = info.Shape[axis];
        return new ReadOnlyTensorSpan<float>(_values.AsSpan((int)info.Offset, (int)info.Length), lengths);
    }

    private EncoderOutputInfo Find(string name) => Plan.Outputs[Plan.IndexOf(name)];
}
