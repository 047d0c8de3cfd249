using System.Globalization;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Model;

/// <summary>Loads and runs the reference models.</summary>
internal static class GoldenModels
{
    public static PixioModel Load(string folder, PixioModelOptions? options = null) => Load(Goldens.Folder(folder), options);

    public static PixioModel Load(GoldenFolder folder, PixioModelOptions? options = null)
    {
        using ITensorSource weights = folder.OpenWeights();
        return PixioModel.Load(new OpenedModel(folder.Config, weights, ProcessorConfigPath: null), options ?? new PixioModelOptions());
    }

    public static EncoderOutputs Run(PixioModel model, GoldenTensor pixels, EncoderTaps taps)
    {
        InputShape shape = new((int)pixels.Shape[0], new ImageSize((int)pixels.Shape[2], (int)pixels.Shape[3]));
        EncoderOutputs outputs = model.CreateOutputs(shape, taps);
        model.Run(pixels.Values, outputs);
        return outputs;
    }

    /// <summary>The numbers behind a prefix among the names of outputs, ascending.</summary>
    public static IReadOnlyList<int> Indices(IEnumerable<string> names, string prefix) =>
        [.. names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Select(name => int.Parse(name[prefix.Length..], CultureInfo.InvariantCulture)).Order()];

    /// <summary>The elements of an output that the reference has: large cases keep every n-th token, or the first few.</summary>
    public static float[] Sampled(EncoderOutputs outputs, string name, GoldenTensor expected, int tokenStride)
    {
        IReadOnlyList<int> shape = outputs.ShapeOf(name);
        ReadOnlySpan<float> values = outputs[name].Span;
        if (shape.Select(dimension => (long)dimension).SequenceEqual(expected.Shape))
            return values.ToArray();

        (int batch, int tokens, int width) = (shape[0], shape[1], shape[2]);
        int kept = (int)expected.Shape[1];
        Assert.Equal([batch, kept, width], expected.Shape);
        List<float> sampled = [];
        for (int picture = 0; picture < batch; picture++)
        {
            for (int token = 0; token < kept; token++)
                sampled.AddRange(values.Slice(((picture * tokens) + (token * tokenStride)) * width, width));
        }

        return [.. sampled];
    }
}
