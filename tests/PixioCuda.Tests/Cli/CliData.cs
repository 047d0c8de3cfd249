using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using PixioCuda.Imaging;
using PixioCuda.Skia;

namespace PixioCuda.Tests.Cli;

/// <summary>A small model, pictures for it, and what the library makes of them.</summary>
internal static class CliData
{
    public static string Model => TestData.Path("tiny");

    public static string Cat => Picture("cat.png");

    public static string Rocket => Picture("rocket.jpg");

    public static string Coffee => Picture("coffee-444.jpg");

    public static string Bad => TestData.Path("images", "bad", "truncated.png");

    public static string Picture(string name) => TestData.Path("images", name);

    public static PixioModel Load(ImageSize? resize = null, string recipe = ImageRecipe.HfName) =>
        PixioModel.Load(Model, new PixioModelOptions { Decoder = new SkiaImageDecoder(), Resize = resize, Recipe = recipe });

    public static float[] Embedding(string picture, EmbeddingKind kind = EmbeddingKind.Pooler)
    {
        using PixioModel model = Load();
        return model.Embed(picture, kind);
    }

    public static float[] Floats(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetSingle())];

    /// <summary>The strings of a safetensors header.</summary>
    public static Dictionary<string, string> Metadata(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
        using var header = JsonDocument.Parse(Encoding.UTF8.GetString(file, 8, length));
        return header.RootElement.GetProperty("__metadata__").EnumerateObject()
            .ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!);
    }
}
