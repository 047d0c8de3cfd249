using System.Globalization;
using System.Text.Json;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

public class EmbedCommandTests
{
    [Fact]
    public void One_line_for_a_picture_has_its_head_its_size_and_its_norm()
    {
        PixioRun run = PixioRun.Of("embed", CliData.Cat, "--model", CliData.Model);
        Assert.Equal(0, run.ExitCode);

        float[] expected = CliData.Embedding(CliData.Cat);
        string head = string.Join(", ", expected[..8].Select(value => value.ToString("F5", CultureInfo.InvariantCulture)));
        double norm = Math.Sqrt(expected.Sum(value => (double)value * value));
        Assert.Equal(
            $"{CliData.Cat}: [{head}, ...] 64 numbers, L2 norm {norm.ToString("G6", CultureInfo.InvariantCulture)}",
            Assert.Single(run.OutLines));
        // Trained weights: nothing to warn of; the note says what ran.
        Assert.DoesNotContain("warning", run.Error, StringComparison.Ordinal);
        Assert.Contains("cpu", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_in_half_precision_are_in_the_stamp()
    {
        PixioRun run = PixioRun.Of(
            "embed", CliData.Cat, "--model", CliData.Model, "--device", "cpu", "--weights-in-memory", "bf16", "--json", "--quiet");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(Assert.Single(run.OutLines));
        Assert.Equal("BF16", json.RootElement.GetProperty("weights_in_memory").GetString());
        Assert.NotEqual(CliData.Embedding(CliData.Cat), CliData.Floats(json.RootElement.GetProperty("embedding")));
    }

    [Fact]
    public void Json_lines_hold_whole_embeddings_in_the_order_of_the_arguments()
    {
        string[] pictures = [CliData.Rocket, CliData.Cat, CliData.Coffee];
        PixioRun run = PixioRun.Of(["embed", .. pictures, "--model", CliData.Model, "--json", "--batch", "2", "--quiet"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.Equal(pictures.Length, run.OutLines.Length);
        foreach ((string picture, string line) in pictures.Zip(run.OutLines))
        {
            using var json = JsonDocument.Parse(line);
            JsonElement root = json.RootElement;
            Assert.Equal(picture, root.GetProperty("image").GetString());
            Assert.Equal(CliData.Model, root.GetProperty("model").GetString());
            Assert.Equal("hf:bicubic-64x64", root.GetProperty("recipe").GetString());
            Assert.Equal("float32", root.GetProperty("precision").GetString());
            Assert.Equal("pooler", root.GetProperty("embedding_kind").GetString());
            Assert.False(root.GetProperty("random_weights").GetBoolean());
            Assert.Equal([64f], CliData.Floats(root.GetProperty("shape")));
            Assert.Equal(CliData.Embedding(picture), CliData.Floats(root.GetProperty("embedding")));
        }
    }

    [Theory]
    [InlineData("pooler", EmbeddingKind.Pooler, new[] { 64 })]
    [InlineData("cls-raw-mean", EmbeddingKind.ClsRawMean, new[] { 64 })]
    [InlineData("cls-concat", EmbeddingKind.ClsConcat, new[] { 512 })]
    [InlineData("dense-2d", EmbeddingKind.Dense2d, new[] { 16, 128 })]
    public void Npy_files_stack_every_kind_of_embedding(string name, EmbeddingKind kind, int[] shape)
    {
        using TemporaryFolder folder = new();
        string output = folder.File("embeddings.npy");
        PixioRun run = PixioRun.Of("embed", CliData.Cat, CliData.Rocket, "-m", CliData.Model, "--embedding", name, "-o", output);
        Assert.Equal(0, run.ExitCode);

        (int[] writtenShape, float[] values) = MinimalNpy.Read(output);
        Assert.Equal([2, .. shape], writtenShape);
        Assert.Equal([.. CliData.Embedding(CliData.Cat, kind), .. CliData.Embedding(CliData.Rocket, kind)], values);

        using var description = JsonDocument.Parse(File.ReadAllBytes($"{output}.json"));
        Assert.Equal(name, description.RootElement.GetProperty("embedding_kind").GetString());
        Assert.Equal([CliData.Cat, CliData.Rocket],
            description.RootElement.GetProperty("images").EnumerateArray().Select(image => image.GetString()));
        Assert.Equal(2, Directory.GetFileSystemEntries(folder.Root).Length);
    }

    [Fact]
    public void Safetensors_files_hold_hidden_states_and_how_they_were_made()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("embeddings.safetensors");
        string[] pictures = [CliData.Cat, CliData.Rocket, CliData.Coffee];
        PixioRun run = PixioRun.Of(
            ["embed", .. pictures, "--model", CliData.Model, "--hidden-states", "3,1", "--output", output, "--batch", "2"]);
        Assert.Equal(0, run.ExitCode);

        Dictionary<string, StoredTensor> tensors = MinimalSafetensors.Read(output);
        Assert.Equal(["embeddings", "hidden_states.1", "hidden_states.3"], tensors.Keys.Order());
        Assert.Equal([3, 64], tensors["embeddings"].Shape);
        Assert.Equal([3, 24, 64], tensors["hidden_states.1"].Shape);
        using PixioModel model = CliData.Load();
        for (int i = 0; i < pictures.Length; i++)
        {
            EncoderOutputs expected = model.Run(
                [model.Decode(pictures[i])], new EncoderTaps { PoolerOutput = true, HiddenStates = [1, 3] });
            Assert.Equal(expected["pooler_output"].ToArray(), tensors["embeddings"].Floats()[(i * 64)..((i + 1) * 64)]);
            foreach (string name in new[] { "hidden_states.1", "hidden_states.3" })
                Assert.Equal(expected[name].ToArray(), tensors[name].Floats()[(i * 24 * 64)..((i + 1) * 24 * 64)]);
        }

        Dictionary<string, string> metadata = CliData.Metadata(output);
        Assert.Equal("hf:bicubic-64x64", metadata["recipe"]);
        Assert.Equal("false", metadata["random_weights"]);
        Assert.Equal(PixioCuda.Cli.PixioCommandLine.Version, metadata["pixio_version"]);
        Assert.Equal(pictures, JsonSerializer.Deserialize<string[]>(metadata["images"]));
        Assert.Equal([output], Directory.GetFileSystemEntries(folder.Root));
    }

    [Fact]
    public void Normalized_vectors_have_length_one_and_keep_their_direction()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("dense.npy");
        Assert.Equal(0,
            PixioRun.Of("embed", CliData.Cat, "-m", CliData.Model, "--embedding", "dense-2d", "--normalize", "-o", output).ExitCode);
        float[] values = MinimalNpy.Read(output).Values, raw = CliData.Embedding(CliData.Cat, EmbeddingKind.Dense2d);
        for (int patch = 0; patch < 16; patch++)
        {
            double norm = Math.Sqrt(raw.Skip(patch * 128).Take(128).Sum(value => (double)value * value));
            for (int i = patch * 128; i < (patch + 1) * 128; i++)
                Assert.Equal(raw[i] / norm, values[i], 1e-6);
        }
    }

    [Fact]
    public void Json_line_files_take_pictures_of_different_sizes()
    {
        using TemporaryFolder folder = new();
        string model = ModelWithoutResize(folder);
        string small = folder.Write("small.bmp", Bitmap(32, 48)), large = folder.Write("large.bmp", Bitmap(64, 64));
        string output = folder.File("dense.jsonl");
        Assert.Equal(0, PixioRun.Of("embed", small, large, "-m", model, "--embedding", "dense-2d", "-o", output).ExitCode);
        Assert.Equal([[6, 128], [16, 128]], File.ReadLines(output).Select(ShapeOf));

        // The same cannot be stacked, and says what can be done.
        PixioRun stacked = PixioRun.Of("embed", small, large, "-m", model, "--embedding", "dense-2d", "-o", folder.File("dense.npy"));
        Assert.Equal(3, stacked.ExitCode);
        Assert.Contains(".jsonl", stacked.ErrorLines[^1], StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("dense.npy")));
    }

    [Fact]
    public void A_recipe_and_a_size_are_followed_and_stamped()
    {
        PixioRun run = PixioRun.Of("embed", CliData.Cat, "-m", CliData.Model, "--recipe", "meta-knn", "--json", "--decoder", "stb");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        using PixioModel model = CliData.Load(recipe: "meta-knn");
        Assert.Equal(model.Recipe.Id, json.RootElement.GetProperty("recipe").GetString());
        // Both decoders agree on a PNG.
        Assert.Equal(model.Embed(CliData.Cat), CliData.Floats(json.RootElement.GetProperty("embedding")));

        PixioRun resized = PixioRun.Of("embed", CliData.Cat, "-m", CliData.Model, "--resize", "32x96", "--embedding", "dense-2d", "--json");
        using var resizedJson = JsonDocument.Parse(resized.Out);
        Assert.Equal([12f, 128f], CliData.Floats(resizedJson.RootElement.GetProperty("shape")));
    }

    [Fact]
    public void A_picture_comes_from_standard_input()
    {
        PixioRun run = PixioRun.OfInput(File.ReadAllBytes(CliData.Rocket), "embed", "-", "--model", CliData.Model, "--json");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        Assert.Equal("-", json.RootElement.GetProperty("image").GetString());
        Assert.Equal(CliData.Embedding(CliData.Rocket), CliData.Floats(json.RootElement.GetProperty("embedding")));
    }

    [Theory]
    [InlineData(".npy")]
    [InlineData(".safetensors")]
    [InlineData(".jsonl")]
    public void A_bad_picture_is_named_and_leaves_an_earlier_output_as_it_was(string extension)
    {
        using TemporaryFolder folder = new();
        string output = folder.Write($"out{extension}", "before"u8);
        PixioRun run = PixioRun.Of("embed", CliData.Cat, CliData.Cat, CliData.Bad, "-m", CliData.Model, "-o", output, "--batch", "1");
        Assert.Equal(3, run.ExitCode);
        Assert.StartsWith("pixio: ", run.ErrorLines[^1], StringComparison.Ordinal);
        Assert.Contains(CliData.Bad, run.ErrorLines[^1], StringComparison.Ordinal);
        Assert.Equal("before", File.ReadAllText(output));
        Assert.Equal([output], Directory.GetFileSystemEntries(folder.Root));
    }

    [Fact]
    public void Random_weights_are_warned_of_and_stamped()
    {
        using TemporaryFolder folder = new();
        string model = SynthCommandTests.WriteTiny(folder.File("model"), seed: 5);
        string output = folder.File("out.safetensors");
        PixioRun run = PixioRun.Of("embed", CliData.Cat, "-m", model, "-o", output, "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Single(
            run.ErrorLines,
            line => line.StartsWith("pixio: warning: ", StringComparison.Ordinal) && line.Contains("random", StringComparison.Ordinal));
        Assert.True(JsonDocument.Parse(run.Out).RootElement.GetProperty("random_weights").GetBoolean());
        Assert.Equal("true", CliData.Metadata(output)["random_weights"]);
    }

    private static int[] ShapeOf(string line)
    {
        using var json = JsonDocument.Parse(line);
        return [.. json.RootElement.GetProperty("shape").EnumerateArray().Select(dimension => dimension.GetInt32())];
    }

    /// <summary>The small model with a recipe that takes pictures as they are.</summary>
    private static string ModelWithoutResize(TemporaryFolder folder)
    {
        string model = Directory.CreateDirectory(folder.File("model")).FullName;
        foreach (string name in new[] { "config.json", "model.safetensors" })
            File.Copy(Path.Combine(CliData.Model, name), Path.Combine(model, name));
        File.WriteAllText(Path.Combine(model, "preprocessor_config.json"),
            """{ "do_resize": false, "do_center_crop": false, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225] }""");
        return model;
    }

    /// <summary>A grey picture of 24 bits per pixel; rows are multiples of four bytes for the widths used here.</summary>
    private static byte[] Bitmap(int height, int width)
    {
        byte[] pixels = new byte[3 * height * width];
        pixels.AsSpan().Fill(100);
        using MemoryStream file = new();
        using BinaryWriter writer = new(file);
        writer.Write("BM"u8);
        writer.Write(54 + pixels.Length);
        writer.Write(0);
        writer.Write(54);
        writer.Write(40);
        writer.Write(width);
        writer.Write(height);
        writer.Write((short)1);
        writer.Write((short)24);
        foreach (int value in new[] { 0, pixels.Length, 2835, 2835, 0, 0 })
            writer.Write(value);
        writer.Write(pixels);
        return file.ToArray();
    }
}
