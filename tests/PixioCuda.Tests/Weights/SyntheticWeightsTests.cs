using System.Runtime.InteropServices;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights;

public class SyntheticWeightsTests
{
    public static TheoryData<string> Folders => [.. Goldens.Folders];

    public static TheoryData<string> FoldersWithWeights => [.. Goldens.Folders.Where(folder => Goldens.Folder(folder).ShipsWeights)];

    [Theory]
    [MemberData(nameof(Folders))]
    public void First_values_are_the_reference_samples_bit_for_bit(string folder)
    {
        GoldenFolder golden = Goldens.Folder(folder);
        using SyntheticWeights weights = Synthetic(golden);

        Assert.NotEmpty(golden.Samples);
        foreach ((string name, float[] expected) in golden.Samples)
            AssertSameBits(expected, Read(weights, name, 0, expected.Length), name);
    }

    [Theory]
    [MemberData(nameof(FoldersWithWeights))]
    public void Every_shipped_tensor_comes_from_the_seed_bit_for_bit(string folder)
    {
        GoldenFolder golden = Goldens.Folder(folder);
        using SyntheticWeights weights = Synthetic(golden);
        Dictionary<string, StoredTensor> shipped = MinimalSafetensors.Read(Path.Combine(golden.Root, "model.safetensors"));

        Assert.Equal(shipped.Keys.Order(), weights.Tensors.Keys.Order());
        foreach ((string name, StoredTensor tensor) in shipped)
        {
            Assert.Equal(tensor.Shape, weights.Tensors[name].Shape);
            float[] values = Read(weights, name, 0, (int)weights.Tensors[name].ElementCount);
            byte[] stored = new byte[tensor.Bytes.Length];
            TensorConversion.FromFloat32(Enum.Parse<DType>(tensor.DType), values, stored);
            Assert.True(stored.AsSpan().SequenceEqual(tensor.Bytes), $"{folder}: {name} differs.");
        }
    }

    [Fact]
    public void The_sharded_reference_checkpoint_holds_the_weights_of_the_single_file()
    {
        using ITensorSource sharded = Checkpoint.Open(TestData.Path("tiny-sharded"));
        using ITensorSource single = Checkpoint.Open(TestData.Path("tiny"));

        Assert.Equal(single.Tensors.Keys.Order(), sharded.Tensors.Keys.Order());
        foreach (string name in single.Tensors.Keys)
        {
            int count = (int)single.Tensors[name].ElementCount;
            AssertSameBits(Read(single, name, 0, count), Read(sharded, name, 0, count), name);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Any_range_of_any_tensor_is_what_the_definition_says(bool massive)
    {
        PixioConfig config = new()
        {
            HiddenSize = 12,
            HiddenLayers = 2,
            MlpRatio = 2.5,
            ImageSize = new(33, 5),
            PatchSize = new(3, 5),
            Channels = 2,
            ClassTokens = 3,
            QkvBias = true,
        };
        const ulong Seed = 0xFEDC_BA98_7654_3210;
        using SyntheticWeights weights = SyntheticWeights.Create("random:test@1", config, Seed, massive);
        var random = new Random(1);

        foreach (TensorInfo tensor in weights.Tensors.Values)
        {
            int first = random.Next((int)tensor.ElementCount);
            float[] values = Read(weights, tensor.Name, first, random.Next(1, (int)tensor.ElementCount - first + 1));
            (double mean, double std) = SyntheticOracle.Distribution(tensor.Name, config);
            float[] expected = new float[values.Length];
            for (int i = 0; i < expected.Length; i++)
            {
                expected[i] = SyntheticOracle.Value(tensor.Name, first + i, mean, std, Seed);
                if (massive && tensor.Name == "encoder.layer.1.mlp.fc2.weight" && (first + i) / 30 is 3 or 7)
                    expected[i] *= 400f;
            }

            AssertSameBits(expected, values, tensor.Name);
        }
    }

    [Fact]
    public void Massive_rows_alone_differ_and_by_400()
    {
        GoldenFolder golden = Goldens.Folder("tiny-massive");
        using SyntheticWeights massive = Synthetic(golden);
        using SyntheticWeights plain = SyntheticWeights.Create("random:plain", golden.Config, golden.Seed);
        const string Name = "encoder.layer.1.mlp.fc2.weight";
        (int hidden, int mlp) = (golden.Config.HiddenSize, golden.Config.MlpSize);
        float[] expected = Read(plain, Name, 0, hidden * mlp);
        foreach (int row in new[] { 3, hidden / 2 + 1 })
        {
            for (int i = row * mlp; i < (row + 1) * mlp; i++)
                expected[i] *= 400f;
        }

        AssertSameBits(expected, Read(massive, Name, 0, hidden * mlp), Name);
    }

    [Theory]
    [InlineData(0L)]
    [InlineData(1L)]
    [InlineData(5_000_000_000L)]
    [InlineData(long.MaxValue - 100)]
    public void Vectors_of_every_width_and_the_scalar_tail_give_the_same_bits(long firstIndex)
    {
        const string Name = "encoder.layer.3.norm1.weight";
        ulong hash = SyntheticValues.HashName(Name);
        foreach (ulong seed in new ulong[] { 0, 3, ulong.MaxValue })
        {
            foreach (int length in new[] { 0, 1, 7, 8, 15, 16, 17, 33, 63, 64, 65, 100 })
            {
                float[] expected = [.. Enumerable.Range(0, length).Select(i => SyntheticOracle.Value(Name, firstIndex + i, 1, 0.2, seed))];

                float[] values = new float[length];
                SyntheticValues.Fill(hash, seed, firstIndex, new SyntheticDistribution(1, 0.2), values);
                AssertSameBits(expected, values, $"Fill, seed {seed}, length {length}");

                ulong state = unchecked(hash + seed * 0xD1342543DE82EF95 + ((ulong)firstIndex + 1) * 0x9E3779B97F4A7C15);
                double scale = 0.2 / Math.Sqrt(1431655765.0);
                float[] wide = new float[length];
                int wideCount = SyntheticValues.FillVector512(state, 1, scale, wide);
                Assert.Equal(length / 16 * 16, wideCount);
                AssertSameBits(expected[..wideCount], wide[..wideCount], "512 bits");

                float[] narrow = new float[length];
                int narrowCount = SyntheticValues.FillVector(state, 1, scale, narrow);
                Assert.InRange(narrowCount, Math.Max(0, length - 15), length);
                AssertSameBits(expected[..narrowCount], narrow[..narrowCount], "native width");
            }
        }
    }

    [Fact]
    public void Bytes_can_be_read_from_the_middle_of_an_element()
    {
        using SyntheticWeights weights = Synthetic(Goldens.Folder("tiny"));
        TensorInfo tensor = weights.Tensors["layernorm.weight"];
        byte[] all = new byte[tensor.ElementCount * 4];
        weights.ReadBytes(tensor, 0, all);

        for (int begin = 0; begin < 12; begin++)
        {
            for (int length = 0; length < 80; length++)
            {
                byte[] part = new byte[length];
                weights.ReadBytes(tensor, begin, part);
                Assert.Equal(all[begin..(begin + length)], part);
            }
        }
    }

    [Fact]
    public void They_say_that_they_are_random()
    {
        using SyntheticWeights weights = Synthetic(Goldens.Folder("tiny"));

        Assert.True(weights.IsRandom);
        Assert.Equal("random:tiny@1", weights.Description);
    }

    [Fact]
    public void A_range_outside_a_tensor_is_refused()
    {
        using SyntheticWeights weights = Synthetic(Goldens.Folder("tiny"));
        TensorInfo tensor = weights.Tensors["layernorm.weight"];

        Assert.Throws<ArgumentOutOfRangeException>(() => weights.ReadBytes(tensor, 64 * 4 - 7, new byte[8]));
        Assert.Throws<ArgumentOutOfRangeException>(() => weights.ReadBytes(tensor, -1, new byte[8]));
        Assert.Throws<ArgumentException>(() => weights.ReadBytes(new TensorInfo("head.weight", DType.F32, [2]), 0, new byte[8]));
    }

    [Fact]
    public void Full_width_pixels_are_standard_normal_values_of_the_seed()
    {
        GoldenFolder golden = Goldens.Folder("vitb16");
        GoldenTensor pixels = golden.PixelValues("wide");

        Assert.Equal([1, 3, 240, 384], pixels.Shape);
        Assert.Equal(SyntheticOracle.Value("pixel_values", 12345, 0, 1, golden.Seed), pixels.Values[12345]);
        Assert.InRange(pixels.Values.Average(), -0.01f, 0.01f);
        Assert.InRange(pixels.Values.Average(value => value * value), 0.99f, 1.01f);
    }

    private static SyntheticWeights Synthetic(GoldenFolder golden)
        => SyntheticWeights.Create($"random:{golden.Name}@{golden.Seed}", golden.Config, golden.Seed, golden.Massive);

    private static float[] Read(ITensorSource source, string name, long first, int count)
    {
        float[] values = new float[count];
        source.ReadFloats(source.Tensors[name], first, values);
        return values;
    }

    private static void AssertSameBits(float[] expected, float[] actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        ReadOnlySpan<int> expectedBits = MemoryMarshal.Cast<float, int>(expected.AsSpan());
        ReadOnlySpan<int> actualBits = MemoryMarshal.Cast<float, int>(actual.AsSpan());
        int same = expectedBits.CommonPrefixLength(actualBits);
        Assert.True(same == expected.Length, $"{what}: value {same} differs.");
    }
}
