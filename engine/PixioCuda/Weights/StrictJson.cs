using System.Text.Json;
using System.Text.Unicode;

namespace PixioCuda.Weights;

/// <summary>What <see cref="Utf8JsonReader"/> and <see cref="JsonDocument"/> leave to their caller when the text is not trusted.</summary>
internal static class StrictJson
{
    /// <summary>Parses a document.</summary>
    /// <exception cref="JsonException">It is not valid JSON, or not valid UTF-8, which JSON's own strings are not searched for.</exception>
    public static JsonDocument ParseDocument(ReadOnlyMemory<byte> json) =>
        Utf8.IsValid(json.Span) ? JsonDocument.Parse(json) : throw new JsonException("The text is not valid UTF-8.");

    /// <summary>A string's text, unescaped.</summary>
    /// <exception cref="JsonException">The string holds half of a surrogate pair, which the document itself reports as misuse.</exception>
    public static string GetText(this JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new JsonException("A string is not valid Unicode.", exception);
        }
    }

    /// <summary>The string or property name at the reader, unescaped.</summary>
    /// <exception cref="JsonException">The string holds half of a surrogate pair, which the reader itself reports as misuse.</exception>
    public static string GetText(ref this Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new JsonException("A string is not valid Unicode.", exception);
        }
    }

    /// <summary>A token's kind in a reader's words.</summary>
    public static string Describe(this JsonTokenType token) => token switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.True or JsonTokenType.False => "a truth value",
        JsonTokenType.Null => "null",
        _ => "something else",
    };
}
