using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PixioCuda.Cli.Output;

/// <summary>Writes JSON by hand: nothing here needs reflection.</summary>
internal static class JsonText
{
    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One JSON value on one line.</summary>
    public static string Of(Action<Utf8JsonWriter> write) => Encoding.UTF8.GetString(BytesOf(write).Span);

    /// <summary>One JSON value on one line, in UTF-8.</summary>
    public static ReadOnlyMemory<byte> BytesOf(Action<Utf8JsonWriter> write)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Compact))
            write(json);
        return buffer.WrittenMemory;
    }

    public static void WriteStrings(Utf8JsonWriter json, IEnumerable<string> values)
    {
        json.WriteStartArray();
        foreach (string value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    public static void WriteShape(Utf8JsonWriter json, IEnumerable<int> shape)
    {
        json.WriteStartArray();
        foreach (int dimension in shape)
            json.WriteNumberValue(dimension);
        json.WriteEndArray();
    }

    public static void WriteValues(Utf8JsonWriter json, ReadOnlySpan<float> values)
    {
        json.WriteStartArray();
        foreach (float value in values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    /// <summary>Values as float16 holds them.</summary>
    public static void WriteHalves(Utf8JsonWriter json, ReadOnlySpan<float> values)
    {
        json.WriteStartArray();
        foreach (float value in values)
            json.WriteNumberValue((float)(Half)value);
        json.WriteEndArray();
    }

    /// <summary>[{"image": ..., "error": ...}, ...].</summary>
    public static void WriteFailures(Utf8JsonWriter json, IEnumerable<FailedPicture> failures)
    {
        json.WriteStartArray();
        foreach (FailedPicture failure in failures)
        {
            json.WriteStartObject();
            json.WriteString("image", failure.Id);
            json.WriteString("error", failure.Reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>"[1, 768, 16, 16]".</summary>
    public static string Shape(IEnumerable<int> shape) =>
        $"[{string.Join(", ", shape.Select(dimension => dimension.ToString(CultureInfo.InvariantCulture)))}]";
}
