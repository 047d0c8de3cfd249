using System.Security.Cryptography;
using System.Text.Json;
using SkiaSharp;
using Xunit;

namespace PixioCuda.Tests.Imaging;

/// <summary>A picture under tests/data/images with what Pillow makes of it.</summary>
internal sealed class GoldenImage(string name, JsonElement entry)
{
    public static IReadOnlyList<string> Names { get; } = [.. Manifest().EnumerateObject().Select(property => property.Name)];

    public string Name => name;

    public byte[] Encoded => File.ReadAllBytes(Path(name));

    public int Width => entry.GetProperty("width").GetInt32();

    public int Height => entry.GetProperty("height").GetInt32();

    public bool IsJpeg => name.EndsWith(".jpg", StringComparison.Ordinal);

    /// <summary>SHA-256 of the decoded pixels; only small pictures have one.</summary>
    public string? DecodedSha256 => Find("decoded_sha256");

    public string? PixelValuesSha256 => Find("pixel_values_sha256");

    public static GoldenImage Get(string name) => new(name, Manifest().GetProperty(name));

    public static string Path(string name) => TestData.Path("images", name);

    public static string Sha256(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>[256, 256, 3] of "resized_256", "meta_crop" or "hf_crop", or null where Pillow's answer is not stored. The sum of the
    /// bytes, which was taken from Pillow's array itself, shows that the file and its reading are right.</summary>
    public byte[]? Expected(string kind)
    {
        if (Find(kind) is not { } file)
            return null;

        using SKBitmap bitmap = SKBitmap.Decode(Path(file));
        Assert.Equal((256, 256), (bitmap.Width, bitmap.Height));
        byte[] rgb = [.. bitmap.Pixels.SelectMany(pixel => new[] { pixel.Red, pixel.Green, pixel.Blue })];
        string sumKey = kind == "resized_256" ? "resized_sum" : kind + "_sum";
        Assert.Equal(entry.GetProperty(sumKey).GetInt64(), rgb.Sum(value => (long)value));
        return rgb;
    }

    private string? Find(string key) => entry.TryGetProperty(key, out JsonElement value) ? value.GetString() : null;

    private static JsonElement Manifest() => JsonDocument.Parse(File.ReadAllBytes(Path("manifest.json"))).RootElement;
}
