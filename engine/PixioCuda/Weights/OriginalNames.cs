namespace PixioCuda.Weights;

/// <summary>The names of the original repository (those of timm and MAE), under which query, key and value are one tensor, stacked in
/// that order.</summary>
internal static class OriginalNames
{
    private const string LayerPrefix = "blocks.";

    /// <summary>An encoder's tensors as a checkpoint of this layout stores them.</summary>
    /// <param name="encoder">The encoder's tensors by their Hugging Face names.</param>
    public static IReadOnlyList<StackedTensor> Stack(IReadOnlyList<TensorInfo> encoder) =>
    [
        .. encoder.GroupBy(tensor => Of(tensor.Name)).Select(parts =>
        {
            TensorInfo first = parts.First();
            long[] shape = [.. first.Shape];
            shape[0] = parts.Sum(part => part.Shape[0]);
            return new StackedTensor(new TensorInfo(parts.Key, first.DType, shape), [.. parts]);
        }),
    ];

    private static string Of(string name)
    {
        ReadOnlySpan<char> inLayer = HuggingFaceNames.WithoutLayer(name);
        string original = OfPart(inLayer);
        if (inLayer.Length == name.Length)
            return original;
        // "7." of "encoder.layer.7.norm1.bias".
        ReadOnlySpan<char> layer = name.AsSpan()[HuggingFaceNames.LayerPrefix.Length..^inLayer.Length];
        return string.Concat(LayerPrefix, layer, original);
    }

    private static string OfPart(ReadOnlySpan<char> name) => name switch
    {
        HuggingFaceNames.ClsToken => "cls_token",
        HuggingFaceNames.PositionEmbeddings => "pos_embed",
        HuggingFaceNames.PatchWeight => "patch_embed.proj.weight",
        HuggingFaceNames.PatchBias => "patch_embed.proj.bias",
        HuggingFaceNames.LayerNormWeight => "norm.weight",
        HuggingFaceNames.LayerNormBias => "norm.bias",
        HuggingFaceNames.QueryWeight or HuggingFaceNames.KeyWeight or HuggingFaceNames.ValueWeight => "attn.qkv.weight",
        HuggingFaceNames.QueryBias or HuggingFaceNames.KeyBias or HuggingFaceNames.ValueBias => "attn.qkv.bias",
        HuggingFaceNames.ProjWeight => "attn.proj.weight",
        HuggingFaceNames.ProjBias => "attn.proj.bias",
        // norm1, norm2 and mlp have the same names in both.
        _ => name.ToString(),
    };
}
