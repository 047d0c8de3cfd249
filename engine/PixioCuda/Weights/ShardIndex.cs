using System.Text.Json;
using System.Text.Unicode;
using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights;

/// <summary>A model.safetensors.index.json: which shard, a file in the same folder, holds which tensor.</summary>
internal static class ShardIndex
{
    /// <summary>The longest index that is read: as long as the longest safetensors header.</summary>
    public const int MaxBytes = SafetensorsHeader.MaxBytes;

    /// <summary>Reads the map from tensor names to shards' file names.</summary>
    /// <exception cref="ModelFormatException">The index is too long, not valid JSON, holds a name twice, or names a file outside its
    /// folder.</exception>
    public static Dictionary<string, string> Read(string path)
    {
        using SafeFileHandle file = File.OpenHandle(path);
        long length = RandomAccess.GetLength(file);
        if (length > MaxBytes)
            throw Invalid(path, $"it has {length} bytes, more than the {MaxBytes} that an index may have");
        byte[] json = new byte[length];
        PositionedRead.Fill(file, 0, json, path);
        if (!Utf8.IsValid(json))
            throw Invalid(path, "it is not valid UTF-8");
        return Parse(json, path);
    }

    private static Dictionary<string, string> Parse(ReadOnlySpan<byte> json, string path)
    {
        Dictionary<string, string>? map = null;
        HashSet<string> keys = [];
        var reader = new Utf8JsonReader(json);
        try
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw Invalid(path, $"it is {reader.TokenType.Describe()} instead of an object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string key = reader.GetText();
                if (!keys.Add(key))
                    throw Invalid(path, $"it holds the key {MessageText.Quote(key)} twice");
                reader.Read();
                if (key == "weight_map")
                    map = ReadWeightMap(ref reader, path);
                else
                    reader.Skip();
            }

            reader.Read();
        }
        catch (JsonException exception)
        {
            throw Invalid(path, $"it is not valid JSON near byte {reader.BytesConsumed}", exception);
        }

        return map is { Count: > 0 } ? map : throw Invalid(path, "it has no weight_map, or an empty one");
    }

    private static Dictionary<string, string> ReadWeightMap(ref Utf8JsonReader reader, string path)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Invalid(path, $"its weight_map is {reader.TokenType.Describe()} instead of an object");
        Dictionary<string, string> map = [];
        // A shard's name stands once for each of its tensors: keep one string of it.
        Dictionary<string, string> shards = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string tensor = reader.GetText();
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
            {
                throw Invalid(path,
                    $"it maps the tensor {MessageText.Quote(tensor)} to {reader.TokenType.Describe()} instead of a file's name");
            }

            string shard = reader.GetText();
            if (!shards.TryAdd(shard, shard))
                shard = shards[shard];
            else if (!IsFileName(shard))
            {
                throw Invalid(path, $"it maps the tensor {MessageText.Quote(tensor)} to {MessageText.Quote(shard)}, "
                    + "which is not the name of a file beside it");
            }

            if (!map.TryAdd(tensor, shard))
                throw Invalid(path, $"its weight_map holds the tensor {MessageText.Quote(tensor)} twice");
        }

        return map;
    }

    /// <summary>Whether a name stays in its folder on every system: no separators, no drive, no dots only, nothing unprintable.</summary>
    private static bool IsFileName(string name)
        => !string.IsNullOrWhiteSpace(name)
            && name is not ("." or "..")
            && name.AsSpan().IndexOfAny("/\\:") < 0
            && !name.Any(char.IsControl);

    private static ModelFormatException Invalid(string path, string what, Exception? cause = null)
    {
        string message = $"'{path}' is not a valid index of safetensors shards: {what}.";
        return cause is null ? new ModelFormatException(message) : new ModelFormatException(message, cause);
    }
}
