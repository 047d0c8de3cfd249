using System.Globalization;
using System.Text.Json;
using PixioCuda.Weights;

namespace PixioCuda.Imaging;

/// <summary>preprocessor_config.json as transformers' BitImageProcessor understands it, defaults included.</summary>
internal static class PreprocessorConfig
{
    private const int Bicubic = 3;
    private const int DefaultSize = 224;
    private const int MaxSide = 1 << 20;

    // The published ones have less than 1 KB.
    private const int MaxByteCount = 1 << 20;

    /// <summary>The text of a file of bounded length.</summary>
    /// <exception cref="ModelFormatException">The file is longer than any such file is.</exception>
    public static byte[] ReadFile(string path)
    {
        using FileStream stream = File.OpenRead(path);
        if (stream.Length > MaxByteCount)
        {
            throw new ModelFormatException(
                $"The file {path} is {stream.Length} bytes long, which no {ImageRecipe.ConfigFileName} is. Is it the right file?");
        }

        byte[] json = new byte[stream.Length];
        stream.ReadExactly(json);
        return json;
    }

    /// <summary>What is published with the weights, for a model of any image size.</summary>
    public static string Published(ImageSize size) => string.Create(CultureInfo.InvariantCulture, $$"""
        {
          "do_center_crop": false,
          "do_convert_rgb": true,
          "do_normalize": true,
          "do_rescale": true,
          "do_resize": true,
          "image_mean": [0.485, 0.456, 0.406],
          "image_processor_type": "BitImageProcessor",
          "image_std": [0.229, 0.224, 0.225],
          "resample": 3,
          "rescale_factor": 0.00392156862745098,
          "size": { "height": {{size.Height}}, "width": {{size.Width}} }
        }

        """);

    public static (ImageGeometry Geometry, PixelScale Scale) Parse(ReadOnlySpan<byte> json, string name)
    {
        try
        {
            using JsonDocument document = StrictJson.ParseDocument(json.ToArray());
            return new Settings(document.RootElement, name).Read();
        }
        catch (JsonException exception)
        {
            throw new ModelFormatException($"The file {name} is not valid JSON: {exception.Message}", exception);
        }
    }

    private sealed class Settings(JsonElement root, string name)
    {
        public (ImageGeometry Geometry, PixelScale Scale) Read()
        {
            if (root.ValueKind != JsonValueKind.Object)
                throw Wrong("it is not a JSON object");
            if (Find("image_processor_type") is { } type
                && !(type.ValueKind == JsonValueKind.String && type.GetText().StartsWith("BitImageProcessor", StringComparison.Ordinal)))
            {
                throw Wrong($"its image_processor_type is {type.GetRawText()}, and only BitImageProcessor is known");
            }

            if (Find("resample") is { } resample
                && !(resample.ValueKind == JsonValueKind.Number && resample.TryGetInt32(out int filter) && filter == Bicubic))
                throw Wrong($"its resample is {resample.GetRawText()}, and only {Bicubic} (bicubic) is known");

            ResizeRule? resize = Flag("do_resize", true) ? ReadResize() : null;
            CropSize? crop = Flag("do_center_crop", true) ? ReadCrop() : null;
            if (crop is { } kept && resize is { } rule && (kept.Height > rule.Height || kept.Width > (rule.Width ?? rule.Height)))
                throw Wrong($"its crop_size of {kept.Height} x {kept.Width} is larger than its size");

            double? factor = null;
            if (Flag("do_rescale", true))
                factor = Find("rescale_factor") is { } value ? Number(value, "rescale_factor") : 1 / 255.0;
            ChannelNormalization? normalization = null;
            if (Flag("do_normalize", true))
            {
                // CLIP's, which is what BitImageProcessor takes.
                double[] mean = Channels("image_mean") ?? [0.48145466, 0.4578275, 0.40821073];
                double[] deviation = Channels("image_std") ?? [0.26862954, 0.26130258, 0.27577711];
                if (Array.Exists(deviation, value => value <= 0))
                    throw Wrong("its image_std holds a value that is not positive");
                normalization = new ChannelNormalization(mean, deviation);
            }

            // Every picture is converted to RGB: no decoder gives anything else, so that the setting has nothing to decide.
            _ = Flag("do_convert_rgb", true);
            return (new ImageGeometry(resize, crop, CropRounding.Floor), new PixelScale(factor, normalization));
        }

        private ResizeRule ReadResize()
        {
            if (Find("size") is not { } size)
                return ResizeRule.ShortestSide(DefaultSize);
            if (size.ValueKind == JsonValueKind.Number)
                return ResizeRule.ShortestSide(Side(size, "size"));
            if (HasExactly(size, "shortest_edge"))
                return ResizeRule.ShortestSide(Side(size.GetProperty("shortest_edge"), "size.shortest_edge"));
            if (HasExactly(size, "height", "width"))
                return ResizeRule.Exact(Side(size.GetProperty("height"), "size.height"), Side(size.GetProperty("width"), "size.width"));
            throw Wrong($"its size is {size.GetRawText()}, and only a number, shortest_edge, or height and width are known");
        }

        private CropSize ReadCrop()
        {
            if (Find("crop_size") is not { } size)
                return new CropSize(DefaultSize, DefaultSize);
            if (size.ValueKind == JsonValueKind.Number)
                return new CropSize(Side(size, "crop_size"), Side(size, "crop_size"));
            if (HasExactly(size, "height", "width"))
                return new CropSize(Side(size.GetProperty("height"), "crop_size.height"),
                    Side(size.GetProperty("width"), "crop_size.width"));
            throw Wrong($"its crop_size is {size.GetRawText()}, and only a number, or height and width are known");
        }

        private bool Flag(string key, bool whenAbsent) => Find(key) is not { } value ? whenAbsent : value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong($"its {key} is {value.GetRawText()} instead of true or false"),
        };

        private double[]? Channels(string key)
        {
            if (Find(key) is not { } value)
                return null;
            if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() != 3)
                throw Wrong($"its {key} is {value.GetRawText()} instead of three numbers");
            return [.. value.EnumerateArray().Select(channel => Number(channel, key))];
        }

        private double Number(JsonElement value, string key) =>
            value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number)
                ? number
                : throw Wrong($"its {key} holds {value.GetRawText()} instead of a number");

        private int Side(JsonElement value, string key) =>
            value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int side) && side is > 0 and <= MaxSide
                ? side
                : throw Wrong(string.Create(CultureInfo.InvariantCulture,
                    $"its {key} is {value.GetRawText()} instead of a whole number from 1 to {MaxSide}"));

        private static bool HasExactly(JsonElement value, params ReadOnlySpan<string> keys)
        {
            if (value.ValueKind != JsonValueKind.Object || value.EnumerateObject().Count() != keys.Length)
                return false;
            foreach (string key in keys)
            {
                if (!value.TryGetProperty(key, out _))
                    return false;
            }

            return true;
        }

        /// <summary>Python writes None as null, and means that the setting is absent.</summary>
        private JsonElement? Find(string key) =>
            root.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

        private ModelFormatException Wrong(string what) => new($"The file {name} cannot be followed: {what}.");
    }
}
