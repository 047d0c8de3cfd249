using System.Text;
using PixioCuda.Imaging;
using PixioCuda.Tests.Weights;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Fuzzing;

/// <summary>Damaged JSON: configs, and the index of a checkpoint in shards.</summary>
[Trait("Category", "Fuzz")]
public sealed class JsonFuzzTests : IDisposable
{
    private static readonly Mutator JsonMutator = new([.. JsonEdits.All, .. JsonEdits.All, .. ByteEdits.All]);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Mutants_of_a_config_are_refused_or_valid() => Fuzzer.Run(
        new FuzzTarget
        {
            Name = "config.json",
            Samples = [.. Goldens.Folders.Select(folder => File.ReadAllBytes(TestData.Path(folder, "config.json")))],
            Mutator = JsonMutator,
            Parse = (_, path) => PixioConfigJson.Load(path),
            Check = (_, config) => Assert.Empty(((PixioConfig?)config)?.Validate() ?? []),
            MaxAllocated = length => 100_000 + 100L * length,
            Seed = 20_260_101,
        },
        _folder, "config.json");

    [Fact]
    public void Mutants_of_a_preprocessor_config_are_refused_or_can_be_followed() => Fuzzer.Run(
        new FuzzTarget
        {
            Name = "preprocessor_config.json",
            Samples =
            [
                File.ReadAllBytes(TestData.Path("tiny", "preprocessor_config.json")),
                Encoding.UTF8.GetBytes(PreprocessorConfig.Published(256)),
                """{"size": {"shortest_edge": 64}, "crop_size": {"height": 32, "width": 48}, "rescale_factor": 0.5}"""u8.ToArray(),
                """{"do_center_crop": false, "do_normalize": false, "resample": 3}"""u8.ToArray(),
                """{"do_resize": false, "crop_size": 100, "image_mean": [0.5, 0.25, 0.125], "image_std": [1, 2, 3]}"""u8.ToArray(),
            ],
            Mutator = JsonMutator,
            Parse = (_, path) => ImageRecipe.Load(Path.GetDirectoryName(path)!, 256, 256),
            Check = (_, recipe) =>
            {
                // As large as the largest crop, which smaller pictures may be too small for.
                if (recipe is ImageRecipe accepted)
                    Assert.True(accepted.OutputSize(imageWidth: 1 << 20, imageHeight: 1 << 20) is ( > 0, > 0));
            },
            MaxAllocated = length => 100_000 + 100L * length,
            Seed = 20_260_102,
        },
        _folder, "preprocessor_config.json");

    [Fact]
    public void No_mutant_of_an_index_leads_out_of_its_folder()
    {
        string inside = Directory.CreateDirectory(_folder.File("inside")).FullName;
        WriteShard(_folder.File("outside.safetensors"), "outside");
        WriteShard(Path.Combine(inside, "one.safetensors"), "a", "b");
        WriteShard(Path.Combine(inside, "two.safetensors"), "c");
        string absolute = _folder.File("outside.safetensors");
        string[] ways =
        [
            "../outside.safetensors", "..\\\\outside.safetensors", "./../outside.safetensors", "inside/../../outside.safetensors", absolute,
            $"file://{absolute}", "..", ".", "", "one.safetensors/../../outside.safetensors", "\\u002e\\u002e/outside.safetensors",
            "..%2foutside.safetensors", "outside", "two.safetensors",
        ];
        const string index = """
            {"metadata": {"total_size": 12}, "weight_map": {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}}
            """;
        Edit lead = (file, random) => Encoding.UTF8.GetBytes(
            Encoding.UTF8.GetString(file).Replace(
                random.Next(2) == 0 ? "one.safetensors" : "two.safetensors", ways[random.Next(ways.Length)], StringComparison.Ordinal));
        Edit rename = (file, random) => Encoding.UTF8.GetBytes(
            Encoding.UTF8.GetString(file).Replace($"\"{"abc"[random.Next(3)]}\"", "\"outside\"", StringComparison.Ordinal));

        Fuzzer.Run(
            new FuzzTarget
            {
                Name = "model.safetensors.index.json",
                Samples = [Encoding.UTF8.GetBytes(index)],
                Mutator = new Mutator([.. JsonEdits.All, .. ByteEdits.All, lead, lead, rename, rename]),
                Parse = (_, path) => Checkpoint.Open(path),
                Check = (_, source) =>
                {
                    // A damaged index may leave a shard out; it cannot bring in what lies outside.
                    if (source is ITensorSource accepted)
                        Assert.Subset(new HashSet<string> { "a", "b", "c" }, accepted.Tensors.Keys.ToHashSet());
                },
                MaxAllocated = length => 200_000 + 100L * length,
                Seed = 20_260_103,
            },
            _folder, "inside/model.safetensors.index.json");
    }

    private static void WriteShard(string path, params string[] tensors)
    {
        IEnumerable<string> entries = tensors.Select((tensor, i) => SafetensorsBytes.Tensor(tensor, "F32", "1", 4 * i, 4 * i + 4));
        File.WriteAllBytes(path, SafetensorsBytes.File($"{{{string.Join(",", entries)}}}", 4 * tensors.Length));
    }
}
