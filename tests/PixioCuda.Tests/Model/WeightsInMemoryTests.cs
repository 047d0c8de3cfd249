using System.Runtime.InteropServices;
using PixioCuda.Cpu;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Model;

/// <summary>Weights that the CPU keeps in two bytes an element.</summary>
public class WeightsInMemoryTests
{
    private static readonly EncoderTaps Taps = new() { LastHiddenState = true, PoolerOutput = true, HiddenStates = [0, 1, 2] };

    public static TheoryData<string, int> HalfCheckpoints
    {
        get
        {
            TheoryData<string, int> cases = [];
            foreach (string folder in new[] { "tiny-bf16", "tiny-f16" })
            {
                foreach (int bits in new[] { 128, 256, 512 }.Where(bits => bits <= CpuTarget.WidestVectorBits))
                    cases.Add(folder, bits);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(HalfCheckpoints))]
    public void Half_precision_checkpoints_give_the_same_bits_in_half_the_memory(string folderName, int vectorBits)
    {
        GoldenFolder folder = Goldens.Folder(folderName);
        using PixioModel wide = GoldenModels.Load(folder, new PixioModelOptions { VectorBits = vectorBits });
        using PixioModel half = GoldenModels.Load(folder, new PixioModelOptions { VectorBits = vectorBits, WeightsInMemory = DType.BF16 });
        foreach (string caseName in folder.Cases)
        {
            GoldenTensor pixels = folder.PixelValues(caseName);
            Assert.Equal(Bits(GoldenModels.Run(wide, pixels, Taps).Values), Bits(GoldenModels.Run(half, pixels, Taps).Values));
        }

        // All but vectors and position embeddings are halved.
        long vectors = VectorByteCount(folder.Config, vectorBits);
        Assert.Equal((wide.WeightByteCount - vectors) / 2, half.WeightByteCount - vectors);
        Assert.Contains("half precision", half.Device, StringComparison.Ordinal);
        Assert.DoesNotContain("half precision", wide.Device, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tiny")]
    [InlineData("tiny-hd80")]
    public void Float32_checkpoints_are_rounded_to_nearest_and_only_in_their_matrices(string folderName)
    {
        GoldenFolder folder = Goldens.Folder(folderName);
        using ITensorSource weights = folder.OpenWeights();
        using RoundedMatrices rounded = new(weights);
        using PixioModel half = GoldenModels.Load(folder, new PixioModelOptions { WeightsInMemory = DType.BF16 });
        using PixioModel expected = PixioModel.Load(new OpenedModel(folder.Config, rounded, ProcessorConfigPath: null), new PixioModelOptions());
        foreach (string caseName in folder.Cases)
        {
            GoldenTensor pixels = folder.PixelValues(caseName);
            Assert.Equal(Bits(GoldenModels.Run(expected, pixels, Taps).Values), Bits(GoldenModels.Run(half, pixels, Taps).Values));
        }
    }

    /// <summary>What rounding the weights costs is no more than what the official code loses with weights and activations in
    /// bfloat16, and no less than a bfloat16's rounding.</summary>
    [Theory]
    [InlineData("tiny")]
    [InlineData("tiny-hd80")]
    public void Rounded_weights_stay_within_the_error_of_bfloat16(string folderName)
    {
        GoldenFolder folder = Goldens.Folder(folderName);
        using PixioModel half = GoldenModels.Load(folder, new PixioModelOptions { WeightsInMemory = DType.BF16 });
        foreach (string caseName in folder.Cases)
        {
            float[] expected = folder.Tensor(caseName, "last_hidden_state").Values;
            EncoderOutputs outputs = GoldenModels.Run(half, folder.PixelValues(caseName), new EncoderTaps { LastHiddenState = true });
            double error = Accuracy.RelativeL2(outputs.Values.ToArray(), expected);
            Assert.InRange(error, 1.0 / (1 << 12), folder.BFloat16Error(caseName, "last_hidden_state")!.Value);
        }
    }

    [Fact]
    public void A_weight_that_bfloat16_cannot_hold_is_named()
    {
        GoldenFolder folder = Goldens.Folder("tiny");
        using ITensorSource weights = folder.OpenWeights();
        using OneHugeValue huge = new(weights, "encoder.layer.1.mlp.fc2.weight");
        OpenedModel opened = new(folder.Config, huge, ProcessorConfigPath: null);
        ModelFormatException exception = Assert.Throws<ModelFormatException>(
            () => PixioModel.Load(opened, new PixioModelOptions { WeightsInMemory = DType.BF16 }));
        Assert.Contains("encoder.layer.1.mlp.fc2.weight", exception.Message, StringComparison.Ordinal);
        Assert.Contains("BF16", exception.Message, StringComparison.Ordinal);
        PixioModel.Load(opened, new PixioModelOptions { WeightsInMemory = DType.F32 }).Dispose();
    }

    [Fact]
    public void Only_what_can_be_kept_is_taken()
    {
        foreach (DType type in new[] { DType.F16, (DType)7 })
        {
            ArgumentException exception = Assert.Throws<ArgumentException>(
                () => PixioModel.Load("random:vit5b16", new PixioModelOptions { WeightsInMemory = type }));
            Assert.Contains("BF16", exception.Message, StringComparison.Ordinal);
        }

        ArgumentException onCuda = Assert.Throws<ArgumentException>(
            () => PixioModel.Load("random:vit5b16", new PixioModelOptions { Device = "cuda", WeightsInMemory = DType.F32 }));
        Assert.Contains("CUDA", onCuda.Message, StringComparison.Ordinal);
    }

    private static uint[] Bits(ReadOnlySpan<float> values) => MemoryMarshal.Cast<float, uint>(values).ToArray();

    /// <summary>What the weights that are no matrices take, each filled up to whole panels.</summary>
    private static long VectorByteCount(PixioConfig config, int vectorBits)
    {
        int panel = new CpuTarget(vectorBits, 1).PanelColumns;
        long d = config.HiddenSize, m = config.MlpSize;
        long elements = Padded(d) + Padded(config.ClassTokens * d) + Padded(config.PositionCount * d) + (2 * Padded(d))
            + (config.HiddenLayers * ((6 * Padded(d)) + (config.QkvBias ? Padded(3 * d) : 0) + Padded(m)));
        return elements * sizeof(float);

        long Padded(long length) => (length + panel - 1) / panel * panel;
    }

    /// <summary>A source that differs from another in some values.</summary>
    private abstract class ChangedValues(ITensorSource source) : ITensorSource
    {
        public string Description => source.Description;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => source.Tensors;

        public bool IsRandom => source.IsRandom;

        public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
        {
            source.ReadBytes(tensor, byteOffset, destination);
            Assert.Equal(0, byteOffset % sizeof(float));
            Change(tensor, byteOffset / sizeof(float), MemoryMarshal.Cast<byte, float>(destination));
        }

        public void Dispose() => GC.SuppressFinalize(this);

        protected abstract void Change(TensorInfo tensor, long firstElement, Span<float> values);
    }

    private sealed class RoundedMatrices(ITensorSource source) : ChangedValues(source)
    {
        protected override void Change(TensorInfo tensor, long firstElement, Span<float> values)
        {
            // Matrices, and the patch projection, which is one; class tokens and positions are added, not multiplied with.
            if (tensor.Shape.Count is not (2 or 4))
                return;
            foreach (ref float value in values)
            {
                double unit = Math.ScaleB(1, Math.ILogB(value) - 7);
                value = value == 0 ? 0 : (float)(Math.Round(value / unit, MidpointRounding.ToEven) * unit);
            }
        }
    }

    private sealed class OneHugeValue(ITensorSource source, string name) : ChangedValues(source)
    {
        protected override void Change(TensorInfo tensor, long firstElement, Span<float> values)
        {
            if (tensor.Name == name && firstElement == 0)
                values[0] = float.MaxValue;
        }
    }
}
