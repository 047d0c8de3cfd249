using PixioCuda.Tests.Model;
using PixioCuda.Tests.Weights;
using PixioCuda.Verification;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Verification;

/// <summary>The measures themselves, against naive ones.</summary>
public class VerificationPartsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(30_000)]
    [InlineData(1L << 40)]
    public void Outputs_kept_in_groups_are_the_bits_of_one_run(long groupBytes)
    {
        using TemporaryFolder folder = new();
        using PixioModel model = GoldenModels.Load("tiny");
        GoldenTensor pixels = Goldens.Folder("tiny").PixelValues("square");
        InputShape shape = new(2, 64);
        OutputSpool.Write(model, shape, pixels.Values, folder.File("out.safetensors"), CancellationToken.None, groupBytes);
        EncoderOutputs outputs = GoldenModels.Run(
            model, pixels, new EncoderTaps { HiddenStates = [0, 1, 2, 3], LastHiddenState = true, PoolerOutput = true });
        Dictionary<string, StoredTensor> kept = MinimalSafetensors.Read(folder.File("out.safetensors"));
        Assert.Equal(6, kept.Count);
        foreach ((string name, StoredTensor tensor) in kept)
            Assert.Equal(outputs[name].ToArray(), tensor.Floats());
    }

    [Fact]
    public void Distances_are_those_of_the_definition()
    {
        // More rows than one block holds.
        const int rows = 1500, width = 96;
        float[] expected = Noise(rows * width, 1), actual = Noise(rows * width, 2);
        for (int i = 0; i < actual.Length; i++)
            actual[i] = expected[i] + (0.01f * actual[i]);
        for (int i = 0; i < width; i++)
            actual[(1234 * width) + i] += 0.5f;
        OutputDistance distance = Compare(actual, expected, rows, width);

        (double difference, double norm, double own, double product) = (0, 0, 0, 0);
        for (int i = 0; i < actual.Length; i++)
        {
            difference += Math.Pow((double)actual[i] - expected[i], 2);
            norm += Math.Pow(expected[i], 2);
            own += Math.Pow(actual[i], 2);
            product += (double)actual[i] * expected[i];
        }

        Assert.Equal(Math.Sqrt(difference / norm), distance.RelativeL2, 1e-12);
        Assert.Equal(product / Math.Sqrt(norm * own), distance.Cosine, 1e-12);
        Assert.Equal(1234, distance.WorstToken);
        double worst = Accuracy.RelativeL2(actual.AsSpan(1234 * width, width), expected.AsSpan(1234 * width, width));
        Assert.Equal(worst, distance.WorstTokenRelativeL2, 1e-12);
    }

    [Fact]
    public void Equal_outputs_are_no_distance_apart_and_a_nan_is_never_within()
    {
        float[] values = Noise(7 * 12, 3);
        Assert.Equal(0, Compare(values, values, 7, 12).RelativeL2);
        Assert.Equal(1, Compare(values, values, 7, 12).Cosine, 1e-15);
        Assert.Equal(1, Compare(new float[84], new float[84], 7, 12).Cosine);
        Assert.Equal(double.PositiveInfinity, Compare(values, new float[84], 7, 12).RelativeL2);
        float[] broken = [.. values];
        broken[(5 * 12) + 3] = float.NaN;
        OutputDistance distance = Compare(broken, values, 7, 12);
        Assert.True(double.IsNaN(distance.RelativeL2));
        Assert.Equal(5, distance.WorstToken);
    }

    [Fact]
    public void Statistics_are_those_of_the_definition()
    {
        using TemporaryFolder folder = new();
        // Several blocks, a mean far larger than the deviation, and values that do not count.
        const int count = 700_001;
        float[] values = Noise(count, 4);
        for (int i = 0; i < count; i++)
            values[i] = 1000 + (0.01f * values[i]);
        (values[5], values[300_000], values[count - 1], values[9]) = (float.NaN, float.PositiveInfinity, 0, -7);
        using (var writer = SafetensorsWriter.Create(folder.File("w.safetensors"), [new TensorInfo("w", DType.F32, [count])]))
        {
            writer.Append("w", values);
            writer.Complete();
        }

        using var file = SafetensorsFile.Open(folder.File("w.safetensors"));
        long read = 0;
        TensorStatistics statistics = Assert.Single(
            TensorStatistics.OfAll(file, 2, more => Interlocked.Add(ref read, more), CancellationToken.None));
        double[] finite = [.. values.Where(float.IsFinite).Select(value => (double)value)];
        double mean = finite.Average();
        Assert.Equal(count, read);
        Assert.Equal((2, 1, -7f, values.Where(float.IsFinite).Max()),
            (statistics.NonFiniteCount, statistics.ZeroCount, statistics.Minimum, statistics.Maximum));
        Assert.Equal(mean, statistics.Mean, 1e-9 * mean);
        double deviation = Math.Sqrt(finite.Average(value => Math.Pow(value - mean, 2)));
        Assert.Equal(deviation, statistics.StandardDeviation, 1e-9 * deviation);
    }

    [Fact]
    public void Perturbed_weights_move_by_one_unit_whatever_is_read_at_once()
    {
        using SafetensorsFile file = SafetensorsFile.Open(TestData.Path("tiny", "model.safetensors"));
        PerturbedWeights perturbed = new(file);
        TensorInfo tensor = file.Tensors["encoder.layer.0.mlp.fc1.weight"];
        float[] stored = new float[tensor.ElementCount], moved = new float[tensor.ElementCount], parts = new float[tensor.ElementCount];
        file.ReadFloats(tensor, 0, stored);
        perturbed.ReadFloats(perturbed.Tensors[tensor.Name], 0, moved);
        for (int first = 0; first < parts.Length; first += 1000)
            perturbed.ReadFloats(perturbed.Tensors[tensor.Name], first, parts.AsSpan(first, Math.Min(1000, parts.Length - first)));
        Assert.Equal(moved, parts);
        int[] steps = [.. stored.Zip(moved, (a, b) => BitConverter.SingleToInt32Bits(b) - BitConverter.SingleToInt32Bits(a))];
        Assert.All(steps, step => Assert.InRange(step, -1, 1));
        // A third each: 5461 of 16384, give or take five standard deviations.
        Assert.All(new[] { -1, 0, 1 }, step => Assert.InRange(steps.Count(value => value == step), 5461 - 300, 5461 + 300));
    }

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    public void Rounded_weights_are_those_that_half_precision_stores(DType dtype)
    {
        using TemporaryFolder folder = new();
        float[] values = [.. Noise(10_000, 5), 1e6f, -1e6f, 3.4e38f, float.NaN, float.PositiveInfinity, 0, -0f, 1e-40f];
        Write("f32", DType.F32);
        Write("half", dtype);
        using SafetensorsFile f32 = SafetensorsFile.Open(folder.File("f32")), half = SafetensorsFile.Open(folder.File("half"));
        RoundedWeights rounded = new(f32, dtype);
        float[] actual = new float[values.Length], expected = new float[values.Length];
        rounded.ReadFloats(rounded.Tensors["w"], 0, actual);
        half.ReadFloats(half.Tensors["w"], 0, expected);
        Assert.Equal(expected.Select(BitConverter.SingleToInt32Bits), actual.Select(BitConverter.SingleToInt32Bits));
        Assert.Equal(dtype == DType.F16 ? 3 : 1, rounded.OverflowCount);

        void Write(string name, DType type)
        {
            using var writer = SafetensorsWriter.Create(folder.File(name), [new TensorInfo("w", type, [values.Length])]);
            writer.Append("w", values);
            writer.Complete();
        }
    }

    [Fact]
    public void The_published_values_are_held_to_their_tolerance()
    {
        // Typed off the publication again, not read from the code.
        float[][] published = [[0.7420f, -1.4220f, 0.1580f], [0.3938f, -1.4386f, 0.2878f], [0.2898f, -1.4012f, 0.3667f]];
        Assert.Equal(0, PublishedValues.Distance(token => published[token - 8]));
        published[2][1] += 3e-4f;
        Assert.Equal(3e-4, PublishedValues.Distance(token => published[token - 8]), 1e-6);
        published[0][0] = float.NaN;
        Assert.True(double.IsNaN(PublishedValues.Distance(token => published[token - 8])));
    }

    [Fact]
    public void Other_weights_miss_the_published_values()
    {
        using PixioModel model = PixioModel.Load(TestData.Path("tiny"));
        VerificationReport report = ModelVerifier.Verify(TestData.Path("tiny"), new VerificationOptions
        {
            Picture = model.Decode(TestData.Path("images", "cat.png")),
            PictureName = "cat.png",
            HoldsPublishedValues = true,
        });
        Assert.Equal("hf:bicubic-64x64", report.Recipe);
        Assert.InRange(report.PublishedDistance!.Value, 1e-4, 10);
        string finding = Assert.Single(report.Findings);
        Assert.StartsWith("The published values of facebook/pixio-vith16 are missed by", finding, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_is_off_or_depends_on_the_batch_is_found()
    {
        OutputDistance exact = new(0, 1, 0, 0), off = new(3e-5, 1, 7, 1e-4);
        VerificationReport report = new()
        {
            Weights = "w",
            IsRandom = false,
            Device = "device",
            Reference = "reference",
            Input = "noise",
            Shape = new InputShape(1, 64),
            Files = [],
            Tensors = [],
            IsBatchInvariant = false,
            Findings = [],
            Notes = [],
            Outputs =
            [
                new OutputVerification("hidden_states.0", exact, 1e-6, exact, exact, null),
                new OutputVerification("hidden_states.1", off, 1e-5, exact, exact, null),
            ],
        };
        List<string> findings = [];
        VerificationFindings.OfOutputs(report, tolerance: null, findings);
        Assert.Equal(2, findings.Count);
        Assert.Contains("1 of 2 outputs", findings[0], StringComparison.Ordinal);
        Assert.Contains(
            "from hidden_states.1 on: relative L2 error 3.00E-05, bound 1.00E-05, worst at token 7", findings[0], StringComparison.Ordinal);
        Assert.Contains("depend on the batch", findings[1], StringComparison.Ordinal);
    }

    [Fact]
    public void One_other_bit_in_a_batch_is_seen()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        EncoderTaps taps = new() { PoolerOutput = true };
        EncoderOutputs alone = model.CreateOutputs(new InputShape(1, 64), taps), batch = model.CreateOutputs(new InputShape(3, 64), taps);
        Noise(64, 6).CopyTo(alone.Values);
        alone.Values.CopyTo(batch.Values[64..]);
        Assert.True(VerificationInput.HoldsBits(alone, batch, 1));
        Assert.False(VerificationInput.HoldsBits(alone, batch, 0));
        batch.Values[100] = MathF.BitIncrement(batch.Values[100]);
        Assert.False(VerificationInput.HoldsBits(alone, batch, 1));
    }

    private static OutputDistance Compare(float[] actual, float[] expected, int rows, int width)
    {
        using TemporaryFolder folder = new();
        using SafetensorsFile a = Write("a", actual), b = Write("b", expected);
        return OutputComparer.Compare(a, b, "x");

        SafetensorsFile Write(string name, float[] values)
        {
            using (var writer = SafetensorsWriter.Create(folder.File(name), [new TensorInfo("x", DType.F32, [1, rows, width])]))
            {
                writer.Append("x", values);
                writer.Complete();
            }

            return SafetensorsFile.Open(folder.File(name));
        }
    }

    private static float[] Noise(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((2 * random.NextDouble()) - 1))];
    }
}
