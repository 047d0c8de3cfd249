using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Xunit;

namespace PixioCuda.Tests.Weights;

/// <summary>A tensor as a safetensors file holds it.</summary>
internal sealed record StoredTensor(string DType, long[] Shape, byte[] Bytes)
{
    /// <summary>The values of an F32 tensor.</summary>
    public float[] Floats()
    {
        Assert.Equal("F32", DType);
        float[] values = new float[Bytes.Length / 4];
        for (int i = 0; i < values.Length; i++)
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(Bytes.AsSpan(4 * i));
        return values;
    }
}

/// <summary>
/// The safetensors format once more, from its specification, for whole files in memory: the oracle for the product's reader, with which it
/// shares no code. Integers are of any size here, and the JSON is a document and not a stream.
/// </summary>
internal static class MinimalSafetensors
{
    private static readonly Dictionary<string, int> Bits = new()
    {
        ["F4"] = 4,
        ["F6_E2M3"] = 6,
        ["F6_E3M2"] = 6,
        ["BOOL"] = 8,
        ["U8"] = 8,
        ["I8"] = 8,
        ["F8_E4M3"] = 8,
        ["F8_E5M2"] = 8,
        ["F8_E8M0"] = 8,
        ["F8_E4M3FNUZ"] = 8,
        ["F8_E5M2FNUZ"] = 8,
        ["I16"] = 16,
        ["U16"] = 16,
        ["F16"] = 16,
        ["BF16"] = 16,
        ["I32"] = 32,
        ["U32"] = 32,
        ["F32"] = 32,
        ["I64"] = 64,
        ["U64"] = 64,
        ["F64"] = 64,
        ["C64"] = 64,
    };

    public static IReadOnlyCollection<string> DTypes => Bits.Keys;

    public static int BitsOf(string dtype) => Bits[dtype];

    public static Dictionary<string, StoredTensor> Read(string path)
        => TryRead(File.ReadAllBytes(path)) ?? throw new InvalidDataException($"{path} is not a safetensors file.");

    /// <summary>The tensors of a file, or null where the file breaks a rule of the format.</summary>
    public static Dictionary<string, StoredTensor>? TryRead(byte[] file)
    {
        try
        {
            return Parse(file);
        }
        catch (Exception exception) when (exception is InvalidDataException or JsonException or InvalidOperationException
            or DecoderFallbackException or ArgumentException or KeyNotFoundException)
        {
            return null;
        }
    }

    private static Dictionary<string, StoredTensor> Parse(byte[] file)
    {
        Demand(file.Length >= 8);
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(file);
        Demand(headerLength <= 100_000_000 && headerLength <= (ulong)(file.Length - 8));
        int dataStart = 8 + (int)headerLength;
        string header = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(file, 8, (int)headerLength);
        Demand(header.StartsWith('{'));

        using var document = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false });
        List<(BigInteger Begin, BigInteger End, string Name, StoredTensor Tensor)> spans = [];
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            if (property.Name == "__metadata__")
            {
                foreach (JsonProperty entry in property.Value.EnumerateObject())
                    Demand(entry.Value.ValueKind == JsonValueKind.String && entry.Value.GetString() is not null && entry.Name is not null);
                continue;
            }

            string dtype = property.Value.GetProperty("dtype").GetString() ?? throw new InvalidDataException();
            BigInteger[] shape = Integers(property.Value.GetProperty("shape"));
            BigInteger[] offsets = Integers(property.Value.GetProperty("data_offsets"));
            foreach (JsonProperty other in property.Value.EnumerateObject())
                Demand(other.Name is not null);
            Demand(Bits.ContainsKey(dtype) && offsets.Length == 2);
            BigInteger elements = 1;
            foreach (BigInteger dimension in shape)
            {
                elements *= dimension;
                Demand(elements <= long.MaxValue);
            }

            Demand(elements * Bits[dtype] == 8 * (offsets[1] - offsets[0]));
            Demand(offsets[1] <= file.Length - dataStart);
            byte[] bytes = file[(dataStart + (int)offsets[0])..(dataStart + (int)offsets[1])];
            spans.Add((offsets[0], offsets[1], property.Name, new StoredTensor(dtype, [.. shape.Select(n => (long)n)], bytes)));
        }

        BigInteger end = 0;
        foreach ((BigInteger begin, BigInteger next, _, _) in spans.OrderBy(span => span.Begin).ThenBy(span => span.End))
        {
            Demand(begin == end);
            end = next;
        }

        Demand(end == file.Length - dataStart);
        return spans.ToDictionary(span => span.Name, span => span.Tensor);
    }

    private static BigInteger[] Integers(JsonElement array) =>
    [
        .. array.EnumerateArray().Select(element =>
        {
            string text = element.GetRawText();
            Demand(element.ValueKind == JsonValueKind.Number && text.All(char.IsAsciiDigit));
            var value = BigInteger.Parse(text, CultureInfo.InvariantCulture);
            Demand(value <= long.MaxValue);
            return value;
        }),
    ];

    private static void Demand(bool condition)
    {
        if (!condition)
            throw new InvalidDataException();
    }
}
