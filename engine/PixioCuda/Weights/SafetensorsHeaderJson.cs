using System.Text.Json;

namespace PixioCuda.Weights;

/// <summary>The JSON of a safetensors header: what is there, each value of the right kind, nothing twice. Whether the numbers make
/// sense together is <see cref="SafetensorsLayout"/>'s concern.</summary>
internal static class SafetensorsHeaderJson
{
    /// <summary>The one name in a header that is no tensor.</summary>
    public const string MetadataName = "__metadata__";

    /// <summary>Reads a header.</summary>
    /// <param name="json">Valid UTF-8 that starts with an opening brace.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="ModelFormatException">The header is not what the format asks for.</exception>
    public static (List<SafetensorsEntry> Entries, Dictionary<string, string> Metadata) Parse(ReadOnlySpan<byte> json, string path)
    {
        List<SafetensorsEntry> entries = [];
        Dictionary<string, string> metadata = [];
        HashSet<string> names = [];
        var reader = new Utf8JsonReader(json);
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetText();
                if (!names.Add(name))
                    throw SafetensorsHeader.Invalid(path, $"its header holds the name {MessageText.Quote(name)} twice");
                reader.Read();
                if (name == MetadataName)
                    ReadMetadata(ref reader, metadata, path);
                else
                    entries.Add(ReadTensor(ref reader, name, path));
            }

            // Only white space may follow the closing brace; the reader throws on anything else.
            reader.Read();
        }
        catch (JsonException exception)
        {
            throw SafetensorsHeader.Invalid(path, $"its header is not valid JSON near byte {reader.BytesConsumed} of it", exception);
        }

        return (entries, metadata);
    }

    private static void ReadMetadata(ref Utf8JsonReader reader, Dictionary<string, string> metadata, string path)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw SafetensorsHeader.Invalid(path, $"its {MetadataName} is {reader.TokenType.Describe()} instead of an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetText();
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
            {
                throw SafetensorsHeader.Invalid(path,
                    $"its {MetadataName} holds {reader.TokenType.Describe()} instead of a string under {MessageText.Quote(key)}");
            }

            if (!metadata.TryAdd(key, reader.GetText()))
                throw SafetensorsHeader.Invalid(path, $"its {MetadataName} holds the key {MessageText.Quote(key)} twice");
        }
    }

    private static SafetensorsEntry ReadTensor(ref Utf8JsonReader reader, string name, string path)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw InvalidTensor($"is described by {reader.TokenType.Describe()} instead of an object");

        string? dtype = null;
        long[]? shape = null;
        long[]? offsets = null;
        HashSet<string> keys = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetText();
            if (!keys.Add(key))
                throw InvalidTensor($"has the key {MessageText.Quote(key)} twice");
            reader.Read();
            switch (key)
            {
                case "dtype":
                    if (reader.TokenType != JsonTokenType.String)
                        throw InvalidTensor($"has {reader.TokenType.Describe()} instead of a string as its dtype");
                    dtype = reader.GetText();
                    if (SafetensorsDType.BitsPerElement(dtype) == 0)
                        throw InvalidTensor($"has the dtype {MessageText.Quote(dtype)}, which the format does not know");
                    break;
                case "shape":
                    shape = ReadIntegers(ref reader)
                        ?? throw InvalidTensor("has a shape that is not an array of non-negative integers below 2^63");
                    break;
                case "data_offsets":
                    offsets = ReadIntegers(ref reader);
                    if (offsets is not [_, _])
                        throw InvalidTensor("has data_offsets that are not two non-negative integers below 2^63");
                    break;
                default:
                    // The format's own reader passes over keys that it does not know.
                    reader.Skip();
                    break;
            }
        }

        return new SafetensorsEntry(
            name,
            dtype ?? throw InvalidTensor("has no dtype"),
            shape ?? throw InvalidTensor("has no shape"),
            (offsets ?? throw InvalidTensor("has no data_offsets"))[0],
            offsets[1]);

        ModelFormatException InvalidTensor(string what)
            => SafetensorsHeader.Invalid(path, $"its tensor {MessageText.Quote(name)} {what}");
    }

    private static long[]? ReadIntegers(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            return null;
        List<long> values = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            // Read as unsigned, so that "-0" is refused as the format's own reader refuses it.
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt64(out ulong value) || value > long.MaxValue)
                return null;
            values.Add((long)value);
        }

        return [.. values];
    }
}
