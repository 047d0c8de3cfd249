using System.Text.Json;
using PixioCuda.Tests.Weights;
using PixioCuda.Weights;

namespace PixioCuda.Tests;

/// <summary>A tensor of a golden case, row-major.</summary>
internal sealed record GoldenTensor(long[] Shape, float[] Values);

/// <summary>The reference data under tests/data; see the README there.</summary>
internal static class Goldens
{
    /// <summary>The folders that hold cases. (tiny-sharded holds only weights.)</summary>
    public static IReadOnlyList<string> Folders { get; } =
    [
        "tiny", "tiny-bf16", "tiny-f16", "tiny-hd80", "tiny-hd96", "tiny-massive", "tiny-odd",
        "vitb16", "vitl16", "vith16", "vith16-massive", "vit1b16-12layer", "vit5b16-2layer",
    ];

    /// <summary>Every folder and case, for theories.</summary>
    public static IEnumerable<(string Folder, string Case)> Cases
        => Folders.SelectMany(folder => Folder(folder).Cases.Select(name => (folder, name)));

    public static GoldenFolder Folder(string name) => new(name);
}

/// <summary>One model of the reference data: its config, where its weights come from, and its cases.</summary>
internal sealed class GoldenFolder
{
    private readonly JsonElement _info;
    private readonly Dictionary<string, Dictionary<string, StoredTensor>> _files = [];

    public GoldenFolder(string name)
    {
        Name = name;
        Root = TestData.Path(name);
        _info = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Root, "info.json"))).RootElement;
        Config = PixioConfigJson.Load(Path.Combine(Root, "config.json"));
    }

    public string Name { get; }

    public string Root { get; }

    /// <summary>What the weights (and, where the case files have none, the pixels) were made from.</summary>
    public ulong Seed => _info.GetProperty("seed").GetUInt64();

    public bool Massive => _info.GetProperty("massive").GetBoolean();

    public bool ShipsWeights => File.Exists(Path.Combine(Root, "model.safetensors"));

    public PixioConfig Config { get; }

    public IReadOnlyList<string> Cases => [.. _info.GetProperty("cases").EnumerateObject().Select(property => property.Name)];

    /// <summary>The first values of some tensors.</summary>
    public IReadOnlyDictionary<string, float[]> Samples => _info.GetProperty("sample").EnumerateObject()
        .ToDictionary(sample => sample.Name, sample => sample.Value.EnumerateArray().Select(value => value.GetSingle()).ToArray());

    /// <summary>The shape of a case's pixel_values, [B, C, H, W].</summary>
    public long[] PixelShape(string caseName) => [.. Case(caseName).GetProperty("shape").EnumerateArray().Select(n => n.GetInt64())];

    /// <summary>Which tokens of last_hidden_state a case holds: every n-th from 0; 1 where it holds all.</summary>
    public int TokenStride(string caseName)
        => Case(caseName).TryGetProperty("last_hidden_state_token_stride", out JsonElement stride) ? stride.GetInt32() : 1;

    /// <summary>The relative L2 error that the official code makes in float32; null for outputs without a figure.</summary>
    public double? Float32Error(string caseName, string output) => Error(caseName, "float32_error", output);

    /// <summary>As <see cref="Float32Error"/>, with bfloat16 weights and activations.</summary>
    public double? BFloat16Error(string caseName, string output) => Error(caseName, "bfloat16_error", output);

    /// <summary>As <see cref="Float32Error"/>, with float16 weights and activations.</summary>
    public double? Float16Error(string caseName, string output) => Error(caseName, "float16_error", output);

    public IReadOnlyList<string> TensorNames(string caseName) => [.. CaseFile(caseName).Keys];

    public GoldenTensor Tensor(string caseName, string name)
    {
        StoredTensor tensor = CaseFile(caseName)[name];
        return new GoldenTensor(tensor.Shape, tensor.Floats());
    }

    /// <summary>A case's pixels: stored, or made from the seed.</summary>
    public GoldenTensor PixelValues(string caseName)
    {
        if (CaseFile(caseName).ContainsKey("pixel_values"))
            return Tensor(caseName, "pixel_values");
        long[] shape = PixelShape(caseName);
        float[] values = new float[shape.Aggregate(1L, (product, n) => product * n)];
        SyntheticValues.Fill(SyntheticValues.HashName("pixel_values"), Seed, 0, new SyntheticDistribution(0, 1), values);
        return new GoldenTensor(shape, values);
    }

    /// <summary>The weights: the shipped file, or made from the seed.</summary>
    public ITensorSource OpenWeights() => ShipsWeights
        ? Checkpoint.Open(Root)
        : SyntheticWeights.Create($"random:{Name}@{Seed}", Config, Seed, Massive);

    private JsonElement Case(string caseName) => _info.GetProperty("cases").GetProperty(caseName);

    private double? Error(string caseName, string kind, string output)
        => Case(caseName).GetProperty(kind).TryGetProperty(output, out JsonElement error) ? error.GetDouble() : null;

    private Dictionary<string, StoredTensor> CaseFile(string caseName)
    {
        lock (_files)
        {
            if (!_files.TryGetValue(caseName, out Dictionary<string, StoredTensor>? file))
                _files[caseName] = file = MinimalSafetensors.Read(Path.Combine(Root, caseName + ".safetensors"));
            return file;
        }
    }
}
