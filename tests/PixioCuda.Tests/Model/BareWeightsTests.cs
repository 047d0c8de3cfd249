using System.Buffers.Binary;
using PixioCuda.Tests.Weights;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Model;

/// <summary>A file of weights is a model: its config lies beside it, or is the preset whose shapes it has.</summary>
public sealed class BareWeightsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Presets => [.. PixioPresets.Names];

    [Theory]
    [MemberData(nameof(Presets))]
    public void The_preset_of_the_shapes_is_taken_where_there_is_no_config(string preset)
    {
        PixioConfig config = PixioPresets.Get(preset);
        IReadOnlyList<TensorInfo> names = HuggingFaceNames.EncoderTensors(config);
        foreach (IEnumerable<TensorInfo> tensors in new[] { names, OriginalNames.Stack(names).Select(tensor => tensor.Stored) })
        {
            string path = WriteWithoutValues("weights.safetensors", tensors);
            Assert.Equal(config, PixioModelInfo.Open(path).Config);
        }
    }

    [Fact]
    public void A_config_beside_the_weights_goes_before_a_preset()
    {
        string path = WriteWithoutValues("weights.safetensors", HuggingFaceNames.EncoderTensors(PixioPresets.Get("vitb16")));
        PixioConfig other = PixioPresets.Get("vitb16") with { AttentionHeads = 8 };
        PixioConfigJson.Save(other, _folder.File("config.json"));

        Assert.Equal(other, PixioModelInfo.Open(path).Config);
    }

    [Fact]
    public void Shapes_of_no_preset_ask_for_a_config()
    {
        string path = _folder.File("pixio_tiny.pth");
        File.Copy(TestData.Path("tiny", "pixio_tiny.pth"), path);

        AssertRefused(path, path, "config.json", "vitb16, vitl16", "attention heads");
    }

    [Fact]
    public void Weights_that_almost_are_a_preset_say_what_stands_in_the_way()
    {
        IEnumerable<TensorInfo> tensors = HuggingFaceNames.EncoderTensors(PixioPresets.Get("vitl16"))
            .Where(tensor => tensor.Name != "encoder.layer.23.norm1.bias");

        string path = WriteWithoutValues("weights.safetensors", tensors);
        AssertRefused(path, "width of vitl16", "'encoder.layer.23.norm1.bias'", "config.json");
    }

    [Fact]
    public void A_folder_needs_its_config_and_names_weights_that_could_be_meant()
    {
        File.Copy(TestData.Path("tiny", "pixio_tiny.pth"), _folder.File("pixio_tiny.pth"));
        AssertRefused(_folder.Root, "no config.json");
        File.Copy(TestData.Path("tiny", "config.json"), _folder.File("config.json"));
        AssertRefused(_folder.Root, "holds no weights", $"name it: '{_folder.File("pixio_tiny.pth")}'");
        Assert.Equal(64, PixioModelInfo.Open(_folder.File("pixio_tiny.pth")).Config.HiddenSize);
    }

    private static void AssertRefused(string model, params ReadOnlySpan<string> sentences)
    {
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => PixioModelInfo.Open(model));
        foreach (string sentence in sentences)
            Assert.Contains(sentence, exception.Message, StringComparison.Ordinal);
    }

    /// <summary>A file of the right length with a header and nothing else; where it has no values, it takes no room on the disk.</summary>
    private string WriteWithoutValues(string name, IEnumerable<TensorInfo> tensors)
    {
        long end = 0;
        IEnumerable<string> entries = tensors.Select(tensor =>
        {
            (long begin, end) = (end, end + tensor.ByteCount());
            return SafetensorsBytes.Tensor(tensor.Name, "F32", string.Join(',', tensor.Shape), begin, end);
        });
        byte[] header = SafetensorsBytes.File($"{{{string.Join(',', entries)}}}");
        using FileStream file = File.Create(_folder.File(name));
        file.Write(header);
        file.SetLength(header.Length + end);
        Assert.Equal(header.Length - 8, BinaryPrimitives.ReadInt64LittleEndian(header));
        return file.Name;
    }
}
