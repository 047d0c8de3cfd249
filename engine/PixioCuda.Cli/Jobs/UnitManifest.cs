using System.Security.Cryptography;
using System.Text.Json;
using PixioCuda.Cli.Output;

namespace PixioCuda.Cli.Jobs;

/// <summary>A file that a unit wrote.</summary>
/// <param name="File">Its name in the output folder.</param>
/// <param name="ByteCount">Its length.</param>
/// <param name="Sha256">64 hexadecimal digits.</param>
internal sealed record UnitOutput(string File, long ByteCount, string Sha256)
{
    /// <summary>Looks at a file.</summary>
    public static UnitOutput Of(string folder, string file)
    {
        using FileStream stream = System.IO.File.OpenRead(Path.Combine(folder, file));
        return new UnitOutput(file, stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)));
    }

    /// <summary>Whether the file is still what it was.</summary>
    public bool IsSound(string folder)
    {
        FileInfo info = new(Path.Combine(folder, File));
        return info.Exists && info.Length == ByteCount && Of(folder, File) == this;
    }
}

/// <summary>What a unit was made from and what it became: NAME.manifest.json, written last, so that a unit that has none is not done.
/// It holds no time and no place: the same job gives the same bytes.</summary>
/// <param name="Unit">The unit's name.</param>
/// <param name="Fingerprint">As <see cref="JobUnit.Fingerprint"/>.</param>
/// <param name="InputHash">As <see cref="JobUnit.HashContent"/>; null where the input could not be read to its end.</param>
/// <param name="Settings">Everything else that decides the output: model, recipe, precision, version and so on.</param>
/// <param name="Rows">Pictures with features.</param>
/// <param name="Failures">Pictures without.</param>
/// <param name="Outputs">The files.</param>
internal sealed record UnitManifest(
    string Unit, string Fingerprint, string? InputHash, IReadOnlyDictionary<string, string> Settings, long Rows,
    IReadOnlyList<FailedPicture> Failures, IReadOnlyList<UnitOutput> Outputs)
{
    private const string Format = "pixio-unit-1";

    // The ids of ten thousand failed pictures take a megabyte or two.
    private const long MaxByteCount = 1L << 30;

    // The same model may have another name elsewhere; its hash tells it.
    private static readonly string[] OnlyNames = ["model", "weights"];

    private static readonly JsonWriterOptions Indented = new() { Indented = true };

    /// <summary>The name of a unit's manifest.</summary>
    public static string FileOf(string unit) => $"{unit}.manifest.json";

    /// <summary>Reads a manifest; null where there is none, or where it is damaged.</summary>
    public static UnitManifest? TryRead(string folder, string unit)
    {
        try
        {
            FileInfo file = new(Path.Combine(folder, FileOf(unit)));
            if (!file.Exists || file.Length > MaxByteCount)
                return null;
            using var json = JsonDocument.Parse(File.ReadAllBytes(file.FullName));
            JsonElement root = json.RootElement;
            if (root.GetProperty("format").GetString() != Format)
                return null;
            JsonElement input = root.GetProperty("input");
            return new UnitManifest(
                root.GetProperty("unit").GetString()!,
                input.GetProperty("fingerprint").GetString()!,
                input.GetProperty("sha256").GetString(),
                root.GetProperty("settings").EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!),
                root.GetProperty("rows").GetInt64(),
                [.. root.GetProperty("failures").EnumerateArray().Select(failure =>
                    new FailedPicture(failure.GetProperty("image").GetString()!, failure.GetProperty("error").GetString()!))],
                [.. root.GetProperty("outputs").EnumerateArray().Select(output => new UnitOutput(
                    output.GetProperty("file").GetString()!, output.GetProperty("bytes").GetInt64(), output.GetProperty("sha256").GetString()!))]);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException
            or IOException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Writes it, under a temporary name first.</summary>
    public void Write(string folder)
    {
        using OutputFile file = OutputFile.Create(Path.Combine(folder, FileOf(Unit)));
        using (Utf8JsonWriter json = new(file.Content, Indented))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteString("unit", Unit);
            json.WriteStartObject("input");
            json.WriteString("fingerprint", Fingerprint);
            json.WriteString("sha256", InputHash);
            json.WriteEndObject();
            json.WriteStartObject("settings");
            foreach ((string name, string value) in Settings)
                json.WriteString(name, value);
            json.WriteEndObject();
            json.WriteNumber("rows", Rows);
            json.WritePropertyName("failures");
            JsonText.WriteFailures(json, Failures);
            json.WriteStartArray("outputs");
            foreach (UnitOutput output in Outputs)
            {
                json.WriteStartObject();
                json.WriteString("file", output.File);
                json.WriteNumber("bytes", output.ByteCount);
                json.WriteString("sha256", output.Sha256);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        file.Content.WriteByte((byte)'\n');
        file.Commit();
    }

    /// <summary>The first setting that differs from another job's, in words; null where none does.</summary>
    public string? Difference(IReadOnlyDictionary<string, string> settings)
    {
        foreach (string name in Settings.Keys.Union(settings.Keys).Except(OnlyNames).Order(StringComparer.Ordinal))
        {
            string? there = Settings.GetValueOrDefault(name), here = settings.GetValueOrDefault(name);
            if (there != here)
                return $"{name} is '{there}' there and '{here}' here";
        }

        return null;
    }

    /// <summary>Whether the outputs are whole and come from what the unit is now.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public bool IsSound(string folder, JobUnit unit, CancellationToken cancellationToken)
    {
        if (!Outputs.All(output => output.IsSound(folder)))
            return false;
        return Fingerprint == unit.Fingerprint() || (InputHash is not null && InputHash == unit.HashContent(cancellationToken));
    }
}
