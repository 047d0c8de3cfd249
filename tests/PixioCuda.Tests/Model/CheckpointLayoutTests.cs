using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using PixioCuda.Tests.Weights;
using PixioCuda.Tests.Weights.PyTorch;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Model;

/// <summary>One model in every layout: each gives the bits that the Hugging Face folder gives.</summary>
public sealed class CheckpointLayoutTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Layouts =>
    [
        "the shipped .pth", "shards", "prefixed", "short layer names", "prefixed short layer names", "original names",
        "original names, prefixed", "deflated .pth", "zip64 .pth", "protocol 4 .pth", "training .pth", "training .pth of a wrapped encoder",
        "transposed .pth", "Hugging Face names in a .pth",
    ];

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Every_layout_gives_the_same_bits(string layout)
    {
        GoldenFolder golden = Goldens.Folder("tiny");
        using PixioModel expected = PixioModel.Load(TestData.Path("tiny")), model = PixioModel.Load(Write(layout));
        EncoderTaps taps = new() { LastHiddenState = true, PoolerOutput = true, HiddenStates = [0, 1, 2, 3], Attentions = [new(2)] };
        foreach (string name in golden.Cases)
        {
            GoldenTensor pixels = golden.PixelValues(name);
            Assert.True(
                MemoryMarshal.AsBytes(GoldenModels.Run(expected, pixels, taps).Values)
                    .SequenceEqual(MemoryMarshal.AsBytes(GoldenModels.Run(model, pixels, taps).Values)),
                name);
        }
    }

    [Theory]
    [InlineData("tiny-f16")]
    [InlineData("tiny-bf16")]
    public void Half_precision_gives_the_same_bits_in_a_pth(string folder)
    {
        File.Copy(TestData.Path(folder, "config.json"), _folder.File("config.json"));
        Dictionary<string, StoredTensor> tensors = Original(MinimalSafetensors.Read(TestData.Path(folder, "model.safetensors")));
        Assert.All(tensors.Values, tensor => Assert.NotEqual("F32", tensor.DType));
        using PixioModel expected = PixioModel.Load(TestData.Path(folder)), model = PixioModel.Load(Torch(tensors, name => name));

        Assert.Equal(expected.Embed(TestData.Path("images", "cat.png")), model.Embed(TestData.Path("images", "cat.png")));
    }

    [Fact]
    public void What_is_missing_from_an_original_checkpoint_is_named_as_it_would_name_it()
    {
        Dictionary<string, StoredTensor> tensors = Original(Tiny());
        tensors.Remove("blocks.1.attn.qkv.bias");
        tensors["blocks.0.mlp.fc1.weight"] = tensors["blocks.0.mlp.fc2.weight"];
        tensors.Add("decoder_embed.weight", tensors["norm.bias"]);
        CopyConfig();
        string message = Assert.Throws<ModelFormatException>(() => PixioModelInfo.Open(Torch(tensors, name => "module." + name))).Message;

        Assert.Contains("1 tensor missing ('module.blocks.1.attn.qkv.bias')", message, StringComparison.Ordinal);
        Assert.Contains("'module.decoder_embed.weight'", message, StringComparison.Ordinal);
        Assert.Contains("'module.blocks.0.mlp.fc1.weight' is [64, 256], expected [256, 64]", message, StringComparison.Ordinal);
    }

    private string Write(string layout)
    {
        CopyConfig();
        return layout switch
        {
            "the shipped .pth" => TestData.Path("tiny", "pixio_tiny.pth"),
            "shards" => TestData.Path("tiny-sharded"),
            "prefixed" => Safetensors(Tiny(), name => "model.backbone." + name),
            "short layer names" => Safetensors(Tiny(), Short),
            "prefixed short layer names" => Safetensors(Tiny(), name => "pixio." + Short(name)),
            "original names" => Safetensors(Original(Tiny()), name => name),
            "original names, prefixed" => Safetensors(Original(Tiny()), name => "encoder." + name),
            "deflated .pth" => Torch(Original(Tiny()), name => name, new ZipStyle { Deflate = true }),
            "zip64 .pth" => Torch(Original(Tiny()), name => name, new ZipStyle { Zip64 = true }),
            "protocol 4 .pth" => Torch(Original(Tiny()), name => name, protocol: 4),
            "training .pth" => Torch(Original(Tiny()), name => "module." + name, keys: "model"),
            "training .pth of a wrapped encoder" => Torch(
                Original(Tiny()), name => "module.encoder." + name, keys: ["state_dict", "model"]),
            "transposed .pth" => _folder.Write("weights.pth", TorchBytes.File([.. Original(Tiny()).Select(Transposed)])),
            "Hugging Face names in a .pth" => Torch(Tiny(), name => name),
            _ => throw new ArgumentException(layout, nameof(layout)),
        };
    }

    private void CopyConfig() => File.Copy(TestData.Path("tiny", "config.json"), _folder.File("config.json"));

    private string Safetensors(Dictionary<string, StoredTensor> tensors, Func<string, string> rename)
    {
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            _folder.File("weights.safetensors"),
            tensors.Select(tensor => new TensorInfo(rename(tensor.Key), DType.F32, tensor.Value.Shape)));
        foreach ((string name, StoredTensor tensor) in tensors)
            writer.Append(rename(name), tensor.Floats());
        writer.Complete();
        return _folder.File("weights.safetensors");
    }

    private string Torch(
        Dictionary<string, StoredTensor> tensors, Func<string, string> rename, ZipStyle? style = null, int protocol = 2,
        params string[] keys) =>
        _folder.Write("weights.pth", TorchBytes.File(
            [.. tensors.Select((tensor, i) => TorchBytes.Of(rename(tensor.Key), i, tensor.Value))], style, protocol, keys));

    private static Dictionary<string, StoredTensor> Tiny() => MinimalSafetensors.Read(TestData.Path("tiny", "model.safetensors"));

    private static string Short(string name) => name.Replace("encoder.layer.", "layers.", StringComparison.Ordinal);

    /// <summary>A matrix whose storage holds its columns one after another.</summary>
    private static TorchBytesTensor Transposed(KeyValuePair<string, StoredTensor> tensor, int index)
    {
        TorchBytesTensor contiguous = TorchBytes.Of(tensor.Key, index, tensor.Value);
        if (tensor.Value.Shape is not [var rows, var columns])
            return contiguous;
        byte[] columnMajor = TorchBytes.Elements(contiguous with { Shape = [columns, rows], Strides = [1, columns] });
        return contiguous with { StorageBytes = columnMajor, Strides = [1, rows] };
    }

    /// <summary>The tensors by their original names, from the names' own description and not by the product's table.</summary>
    private static Dictionary<string, StoredTensor> Original(Dictionary<string, StoredTensor> tensors)
    {
        (string Pattern, string Name)[] names =
        [
            ("^embeddings.cls_token$", "cls_token"), ("^embeddings.position_embeddings$", "pos_embed"),
            ("^embeddings.patch_embeddings.projection.", "patch_embed.proj."), ("^layernorm.", "norm."), ("^encoder.layer.", "blocks."),
            ("attention.output.dense.", "attn.proj."), ("attention.attention.query.", "attn.qkv."),
        ];
        Dictionary<string, StoredTensor> original = [];
        foreach ((string name, StoredTensor tensor) in tensors)
        {
            if (name.Contains("attention.key.", StringComparison.Ordinal) || name.Contains("attention.value.", StringComparison.Ordinal))
                continue;
            StoredTensor stored = tensor;
            if (name.Contains("attention.query.", StringComparison.Ordinal))
            {
                StoredTensor key = tensors[name.Replace("query", "key", StringComparison.Ordinal)];
                StoredTensor value = tensors[name.Replace("query", "value", StringComparison.Ordinal)];
                stored = tensor with
                {
                    Shape = [3 * tensor.Shape[0], .. tensor.Shape.Skip(1)],
                    Bytes = [.. tensor.Bytes, .. key.Bytes, .. value.Bytes],
                };
            }

            original.Add(names.Aggregate(name, (text, pair) => Regex.Replace(text, pair.Pattern, pair.Name)), stored);
        }

        return original;
    }
}
