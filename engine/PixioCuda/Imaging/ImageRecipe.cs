using System.Globalization;
using PixioCuda.Imaging.Resampling;

namespace PixioCuda.Imaging;

/// <summary>What is done to a picture before a model sees it: resize, crop, scale, normalise. Immutable.</summary>
/// <remarks>Two recipes exist: <c>hf</c> does what preprocessor_config.json says, as transformers' BitImageProcessor does it;
/// <c>meta-knn</c> does what the original k-NN evaluation does: the shortest side to the model's size, then the centre.</remarks>
public sealed class ImageRecipe
{
    /// <summary>The name of the recipe that follows preprocessor_config.json.</summary>
    public const string HfName = "hf";

    /// <summary>The name of the recipe of the original k-NN evaluation.</summary>
    public const string MetaKnnName = "meta-knn";

    /// <summary>The file beside the weights that describes the recipe <c>hf</c>.</summary>
    public const string ConfigFileName = "preprocessor_config.json";

    private ImageRecipe(string name, ImageGeometry geometry, PixelScale scale)
    {
        Name = name;
        Geometry = geometry;
        Scale = scale;
        Id = $"{name}:{geometry.Id}{scale.Id}";
    }

    /// <summary><see cref="HfName"/> or <see cref="MetaKnnName"/>.</summary>
    public string Name { get; }

    /// <summary>A stable description, such as "hf:bicubic-256x256" (height first): two recipes with the same one give the same pixel
    /// values. What differs from the published scale, mean and deviation is appended.</summary>
    public string Id { get; }

    /// <summary>What is done to the shape.</summary>
    internal ImageGeometry Geometry { get; }

    /// <summary>What is done to the values.</summary>
    internal PixelScale Scale { get; }

    /// <summary>The published recipe <c>hf</c>: bicubic to the model's image size without keeping the aspect ratio.</summary>
    /// <param name="imageHeight">The model's image height in pixels.</param>
    /// <param name="imageWidth">The model's image width in pixels.</param>
    public static ImageRecipe Hf(int imageHeight, int imageWidth) =>
        new(HfName, new ImageGeometry(ResizeRule.Exact(imageHeight, imageWidth), Crop: null, CropRounding.Floor), PixelScale.Published);

    /// <summary>The recipe of the original k-NN evaluation: the shortest side to <paramref name="imageSize"/>, the long side in proportion
    /// (truncated), then the central square, its offset rounded half to even as torchvision does.</summary>
    /// <param name="imageSize">The model's image size in pixels.</param>
    public static ImageRecipe MetaKnn(int imageSize) =>
        new(MetaKnnName, new ImageGeometry(ResizeRule.ShortestSide(imageSize), new CropSize(imageSize, imageSize), CropRounding.HalfEven),
            PixelScale.Published);

    /// <summary>Reads the recipe <c>hf</c> from a model folder: from its preprocessor_config.json, or, where there is none, the published
    /// one for the model's image size.</summary>
    /// <exception cref="ModelFormatException">The file asks for something that is not known, or is not valid JSON.</exception>
    public static ImageRecipe Load(string modelFolder, int imageHeight, int imageWidth)
    {
        string path = Path.Combine(modelFolder, ConfigFileName);
        return File.Exists(path) ? Parse(PreprocessorConfig.ReadFile(path), path) : Hf(imageHeight, imageWidth);
    }

    /// <summary>Reads the recipe <c>hf</c> from the text of a preprocessor_config.json. What it leaves out is what BitImageProcessor takes
    /// for it: shortest side 224, a central 224 x 224, CLIP's mean and deviation.</summary>
    /// <param name="json">The text, in UTF-8.</param>
    /// <param name="name">What to call the file in messages.</param>
    /// <exception cref="ModelFormatException">The file asks for something that is not known, or is not valid JSON.</exception>
    public static ImageRecipe Parse(ReadOnlySpan<byte> json, string name)
    {
        (ImageGeometry geometry, PixelScale scale) = PreprocessorConfig.Parse(json, name);
        return new ImageRecipe(HfName, geometry, scale);
    }

    /// <summary>The same recipe for pictures of another size. <c>hf</c> then resizes to exactly that, without a crop; <c>meta-knn</c> knows
    /// squares only.</summary>
    /// <exception cref="ArgumentException">The recipe is <c>meta-knn</c> and the size is not square.</exception>
    public ImageRecipe WithSize(int height, int width)
    {
        if (Name == HfName)
            return new ImageRecipe(HfName, new ImageGeometry(ResizeRule.Exact(height, width), Crop: null, CropRounding.Floor), Scale);
        if (height != width)
        {
            throw new ArgumentException(
                $"The recipe {MetaKnnName} crops squares, so that it cannot be resized to {height}x{width}; use the recipe {HfName}.",
                nameof(width));
        }

        return MetaKnn(height);
    }

    /// <summary>Reads a size as users write it: "256x512" is 256 high and 512 wide.</summary>
    /// <exception cref="ArgumentException">It is not two whole positive numbers with an x between them.</exception>
    public static (int Height, int Width) ParseSize(string text)
    {
        string[] sides = text.Split('x', 'X');
        return sides.Length == 2
            && int.TryParse(sides[0], NumberStyles.None, CultureInfo.InvariantCulture, out int height) && height > 0
            && int.TryParse(sides[1], NumberStyles.None, CultureInfo.InvariantCulture, out int width) && width > 0
            ? (height, width)
            : throw new ArgumentException($"The size \"{text}\" is not of the form HEIGHTxWIDTH, such as 256x256.", nameof(text));
    }

    /// <summary>The size of what comes out for a picture of the given size.</summary>
    public (int Height, int Width) OutputSize(int imageWidth, int imageHeight)
    {
        PixelRectangle kept = Geometry.Plan(imageWidth, imageHeight).Kept;
        return (kept.Height, kept.Width);
    }

    /// <inheritdoc cref="Id"/>
    public override string ToString() => Id;
}
