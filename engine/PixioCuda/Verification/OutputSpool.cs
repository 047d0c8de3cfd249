using PixioCuda.Weights;

namespace PixioCuda.Verification;

/// <summary>Runs a model and keeps its outputs in a file, so that models can be compared one after another: only one has its weights in
/// memory, and only a group of hidden states at a time, whatever the size of the picture.</summary>
internal static class OutputSpool
{
    public const string LastHiddenState = "last_hidden_state";
    public const string PoolerOutput = "pooler_output";
    public const string HiddenStatePrefix = "hidden_states.";

    private const long GroupBytes = 256L << 20;

    /// <summary>Every output that is compared, in the order of the forward pass.</summary>
    public static IReadOnlyList<string> NamesOf(PixioConfig config) =>
        [.. Enumerable.Range(0, config.HiddenLayers + 1).Select(HiddenState), LastHiddenState, PoolerOutput];

    /// <summary>"hidden_states.8".</summary>
    public static string HiddenState(int index) => FormattableString.Invariant($"{HiddenStatePrefix}{index}");

    /// <summary>Writes all outputs of a run. As many hidden states come from one run as fit into a group; where a picture is so large that
    /// there are several groups, each begins anew, which costs time and not memory.</summary>
    /// <param name="model">The model.</param>
    /// <param name="shape">The input's shape.</param>
    /// <param name="pixels">pixel_values [B, C, H, W].</param>
    /// <param name="path">The safetensors file to write.</param>
    /// <param name="cancellationToken">Looked at between the steps of a run.</param>
    /// <param name="groupBytes">The most bytes of hidden states of one run. For tests.</param>
    public static void Write(
        PixioModel model, InputShape shape, ReadOnlySpan<float> pixels, string path, CancellationToken cancellationToken,
        long groupBytes = GroupBytes)
    {
        PixioConfig config = model.Config;
        long tokens = config.GridFor(shape.Size).Area + config.ClassTokens;
        long[] states = [shape.Batch, tokens, config.HiddenSize];
        using var writer = SafetensorsWriter.Create(path, NamesOf(config).Select(name =>
            new TensorInfo(name, DType.F32, name == PoolerOutput ? [shape.Batch, config.HiddenSize] : states)));
        int inGroup = (int)Math.Clamp(groupBytes / (shape.Batch * tokens * config.HiddenSize * sizeof(float)), 1, config.HiddenLayers + 1);
        float[] outputs = [];
        for (int first = 0; first <= config.HiddenLayers; first += inGroup)
        {
            int[] group = [.. Enumerable.Range(first, Math.Min(inGroup, config.HiddenLayers + 1 - first))];
            bool isLast = first + inGroup > config.HiddenLayers;
            EncoderTaps taps = new() { HiddenStates = group, LastHiddenState = isLast, PoolerOutput = isLast };
            EncoderPlan plan = model.Plan(shape, taps);
            if (outputs.Length < plan.OutputLength)
                outputs = new float[plan.OutputLength];
            model.Run(pixels, plan, outputs.AsSpan(0, (int)plan.OutputLength), cancellationToken);
            string[] last = isLast ? [LastHiddenState, PoolerOutput] : [];
            foreach (string name in group.Select(HiddenState).Concat(last))
            {
                EncoderOutputInfo info = plan.Outputs.First(output => output.Name == name);
                writer.Append(name, outputs.AsSpan((int)info.Offset, (int)info.Length));
            }
        }

        writer.Complete();
    }
}
