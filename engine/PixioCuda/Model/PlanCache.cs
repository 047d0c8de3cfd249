using System.Globalization;

namespace PixioCuda;

/// <summary>The plans that were used last. A plan costs about a millisecond to make and holds the positions of its grid; a host that
/// sees pictures of every size must not collect them without end.</summary>
internal sealed class PlanCache(int capacity)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<(string Key, EncoderPlan Plan)> _plans = new();

    public EncoderPlan GetOrAdd(InputShape shape, EncoderTaps taps, Func<InputShape, EncoderTaps, EncoderPlan> create)
    {
        string key = KeyOf(shape, taps);
        lock (_lock)
        {
            for (LinkedListNode<(string Key, EncoderPlan Plan)>? node = _plans.First; node is not null; node = node.Next)
            {
                if (node.Value.Key != key)
                    continue;
                _plans.Remove(node);
                _plans.AddFirst(node);
                return node.Value.Plan;
            }
        }

        // Made outside of the lock; two callers that miss at once make two plans, which is only a little waste.
        EncoderPlan plan = create(shape, taps);
        lock (_lock)
        {
            _plans.AddFirst((key, plan));
            while (_plans.Count > capacity)
                _plans.RemoveLast();
        }

        return plan;
    }

    private static string KeyOf(InputShape shape, EncoderTaps taps)
    {
        string attentions = string.Join(';', taps.Attentions.Select(tap =>
            string.Create(CultureInfo.InvariantCulture, $"{tap.Layer}:{(tap.Heads is null ? "*" : string.Join(',', tap.Heads))}")));
        string maps = string.Join(';', taps.FeatureMaps.Select(tap =>
            string.Create(CultureInfo.InvariantCulture, $"{tap.Stage}:{tap.ApplyLayerNorm}:{tap.Reshape}")));
        return string.Create(CultureInfo.InvariantCulture,
            $"{shape}|{taps.LastHiddenState}{taps.PoolerOutput}{taps.ClsRawMean}{taps.ClsConcat}{taps.Dense2d}|{string.Join(',', taps.HiddenStates)}|{attentions}|{maps}");
    }
}
