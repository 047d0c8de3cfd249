using PixioCuda.Verification;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Model;

/// <summary>What <see cref="PixioModelOptions.CheckFinite"/> finds, and where.</summary>
public sealed class FiniteCheckTests
{
    private static readonly EncoderTaps Taps = new() { PoolerOutput = true, ClsConcat = true };

    [Theory]
    [InlineData(HuggingFaceNames.PatchBias, float.NaN, "in the embeddings (hidden_states.0)")]
    [InlineData("layer.0.mlp.fc2.bias", float.PositiveInfinity, "in block 0 (hidden_states.1)")]
    [InlineData("layer.2.norm1.weight", float.NaN, "in block 2 (hidden_states.3)")]
    [InlineData("layernorm.weight", float.NegativeInfinity, "behind the last block")]
    public void The_first_block_is_named(string tensor, float value, string place)
    {
        using PixioModel model = Load(tensor, value, check: true);
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, 64), Taps);
        PixioException exception = Assert.Throws<PixioException>(() => model.Run(Noise.Normal("finite", 2 * 3 * 64 * 64), outputs));
        Assert.Contains($"The first appear {place}.", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Picture 0 of a batch of 2x64x64 has values in pooler_output that are not finite", exception.Message, StringComparison.Ordinal);
        Assert.Contains("pixio verify", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_who_asks_for_the_check_is_told()
    {
        using PixioModel model = Load("layernorm.weight", float.NaN, check: false);
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, 64), Taps);
        model.Run(Noise.Normal("finite", 3 * 64 * 64), outputs);
        Assert.True(float.IsNaN(outputs["pooler_output"].Span[0]));
    }

    [Fact]
    public void Pixels_are_named_where_they_are_the_reason()
    {
        using PixioModel model = Load("none", 0, check: true);
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(3, 64), Taps);
        float[] pixels = Noise.Normal("finite", 3 * 3 * 64 * 64);
        model.Run(pixels, outputs);
        pixels[(2 * 3 * 64 * 64) + 5] = float.NaN;
        string message = Assert.Throws<PixioException>(() => model.Run(pixels, outputs)).Message;
        Assert.Contains("Picture 2 of a batch", message, StringComparison.Ordinal);
        Assert.Contains("pixel values are not finite themselves", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void One_value_among_many_is_seen_wherever_it_is(float odd)
    {
        for (int length = 1; length < 70; length++)
        {
            float[] values = Noise.Normal("finite", length);
            values[0] = float.MaxValue;
            Assert.True(PixioModel.IsFinite(values));
            for (int place = 0; place < length; place++)
            {
                float before = values[place];
                values[place] = odd;
                Assert.False(PixioModel.IsFinite(values), $"{odd} at {place} of {length}");
                values[place] = before;
            }
        }

        Assert.True(PixioModel.IsFinite([]));
    }

    private static PixioModel Load(string tensor, float value, bool check)
    {
        GoldenFolder folder = Goldens.Folder("tiny");
        using ITensorSource stored = folder.OpenWeights();
        using ITensorSource changed = new OneValue(stored, tensor, value);
        return PixioModel.Load(
            new OpenedModel(folder.Config, changed, ProcessorConfigPath: null), new PixioModelOptions { Device = "cpu", CheckFinite = check });
    }

    /// <summary>A tensor whose first value is another one.</summary>
    private sealed class OneValue(ITensorSource source, string name, float value) : MappedWeights(source)
    {
        public override string Description => "changed";

        protected override void Map(TensorInfo tensor, long firstElement, Span<float> values)
        {
            if (firstElement == 0 && tensor.Name.EndsWith(name, StringComparison.Ordinal))
                values[0] = value;
        }
    }
}
