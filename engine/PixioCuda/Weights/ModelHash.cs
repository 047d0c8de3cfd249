using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace PixioCuda.Weights;

/// <summary>What tells one encoder from another in outputs: SHA-256 over its config and its tensors.</summary>
internal static class ModelHash
{
    /// <summary>The hash of a model, 64 lower-case hexadecimal digits. It goes over the config and, in the order of their Hugging Face
    /// names, over every tensor's name, type, shape and bytes, so that the same values in other files (shards, a .pth, a prefix) have the
    /// same one. Weights made from a seed are told by their name instead.</summary>
    /// <param name="model">As <see cref="PixioModel.Load(string, PixioModelOptions?, IProgress{LoadProgress}?, CancellationToken)"/> takes
    /// it.</param>
    /// <param name="cancellationToken">Looked at every 4 MB.</param>
    /// <exception cref="ModelFormatException">There is no such model, or it is damaged.</exception>
    public static string Compute(string model, CancellationToken cancellationToken)
    {
        using OpenedModel opened = ModelReference.Open(model, hub: null, cancellationToken);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (MemoryStream config = new())
        {
            using (Utf8JsonWriter json = new(config))
                PixioConfigJson.Write(opened.Config, json);
            hash.AppendData(config.ToArray());
        }

        if (opened.Source is SyntheticWeights)
            Append(hash, opened.Source.Description);
        else
            AppendTensors(hash, opened, cancellationToken);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void AppendTensors(IncrementalHash hash, OpenedModel opened, CancellationToken cancellationToken)
    {
        ITensorSource encoder = EncoderWeights.Bind(opened.Source, opened.Config).Source;
        TensorInfo[] tensors = [.. encoder.Tensors.Values.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
        string? current = null;
        foreach (TensorBlock block in TensorBlocks.Read(encoder, tensors, cancellationToken))
        {
            if (block.Tensor.Name != current)
            {
                current = block.Tensor.Name;
                Append(hash, string.Create(
                    CultureInfo.InvariantCulture, $"\n{current} {block.Tensor.DType} {string.Join('x', block.Tensor.Shape)}\n"));
            }

            hash.AppendData(block.Bytes.Span);
        }
    }

    private static void Append(IncrementalHash hash, string text) => hash.AppendData(Encoding.UTF8.GetBytes(text));
}
