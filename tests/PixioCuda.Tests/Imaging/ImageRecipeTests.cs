using System.Text;
using PixioCuda.Imaging;
using Xunit;

namespace PixioCuda.Tests.Imaging;

public sealed class ImageRecipeTests
{
    private const string Published = """
        {
          "crop_size": { "height": 256, "width": 256 }, "do_center_crop": false, "do_convert_rgb": true, "do_normalize": true,
          "do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "BitImageProcessor",
          "image_std": [0.229, 0.224, 0.225],
          "resample": 3, "rescale_factor": 0.00392156862745098, "size": { "height": 256, "width": 256 }
        }
        """;

    [Fact]
    public void The_published_file_is_what_is_done_without_one()
    {
        Assert.Equal("hf:bicubic-256x256", Parse(Published).Id);
        Assert.Equal("hf:bicubic-256x256", ImageRecipe.Hf(256, 256).Id);
        Assert.Equal(ImageRecipe.Hf(256, 256).Scale.ToTable(), Parse(Published).Scale.ToTable());
    }

    [Theory]
    [InlineData("""{ "do_center_crop": false, "size": { "height": 64, "width": 96 } }""", "hf:bicubic-64x96", 64, 96)]
    [InlineData("""{ "do_center_crop": false, "size": 64 }""", "hf:bicubic-shortest-64", 64, 85)]
    [InlineData("""{ "size": { "shortest_edge": 64 }, "crop_size": 48 }""", "hf:bicubic-shortest-64-crop-48x48", 48, 48)]
    [InlineData("""{ "size": { "height": 64, "width": 64 }, "crop_size": { "height": 32, "width": 48 } }""",
        "hf:bicubic-64x64-crop-32x48", 32, 48)]
    [InlineData("""{ "do_resize": false, "do_center_crop": false }""", "hf:no-resize", 300, 400)]
    [InlineData("""{ "do_resize": false, "crop_size": 100 }""", "hf:no-resize-crop-100x100", 100, 100)]
    [InlineData("{}", "hf:bicubic-shortest-224-crop-224x224", 224, 224)]
    [InlineData("""{ "size": null, "crop_size": null }""", "hf:bicubic-shortest-224-crop-224x224", 224, 224)]
    [InlineData("""{ "image_processor_type": "BitImageProcessorFast", "size": 32, "crop_size": 32 }""",
        "hf:bicubic-shortest-32-crop-32x32", 32, 32)]
    public void Sizes_and_crops_are_what_the_file_says(string json, string id, int height, int width)
    {
        ImageRecipe recipe = Parse(json);
        Assert.StartsWith(id, recipe.Id, StringComparison.Ordinal);
        Assert.Equal((height, width), recipe.OutputSize(imageWidth: 400, imageHeight: 300));
    }

    [Fact]
    public void Other_values_than_the_published_ones_show_in_the_id()
    {
        const string Shape = "\"size\": 32, \"crop_size\": 32, ";
        const string Same = "\"image_mean\": [0.485, 0.456, 0.406], \"image_std\": [0.229, 0.224, 0.225], ";
        const string Other = "\"image_mean\": [0.5, 0.25, 0.125], \"image_std\": [1, 2, 3] }";
        Assert.EndsWith("-mean-0.5,0.25,0.125-std-1,2,3", Parse("{" + Shape + Other).Id, StringComparison.Ordinal);
        Assert.EndsWith("-scale-0.5", Parse("{" + Shape + Same + """ "rescale_factor": 0.5 }""").Id, StringComparison.Ordinal);
        Assert.EndsWith("-unscaled", Parse("{" + Shape + Same + """ "do_rescale": false }""").Id, StringComparison.Ordinal);
        Assert.EndsWith("-unnormalized", Parse("{" + Shape + """ "do_normalize": false }""").Id, StringComparison.Ordinal);
        Assert.EndsWith("-crop-32x32", Parse("{" + Shape + Same + """ "do_normalize": true }""").Id, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "resample": 2 }""", "resample is 2")]
    [InlineData("""{ "resample": "bicubic" }""", "resample is \"bicubic\"")]
    [InlineData("""{ "image_processor_type": "ViTImageProcessor" }""", "ViTImageProcessor")]
    [InlineData("""{ "size": { "longest_edge": 224 } }""", "longest_edge")]
    [InlineData("""{ "size": { "height": 224 } }""", "its size is")]
    [InlineData("""{ "size": { "shortest_edge": 224, "longest_edge": 300 } }""", "longest_edge")]
    [InlineData("""{ "size": 0 }""", "its size is 0")]
    [InlineData("""{ "size": -5 }""", "its size is -5")]
    [InlineData("""{ "size": 2.5 }""", "its size is 2.5")]
    [InlineData("""{ "size": 99999999999 }""", "its size is 99999999999")]
    [InlineData("""{ "size": "224" }""", "its size is \"224\"")]
    [InlineData("""{ "crop_size": { "shortest_edge": 224 } }""", "crop_size")]
    [InlineData("""{ "size": 100, "crop_size": 101 }""", "larger than its size")]
    [InlineData("""{ "do_resize": 1 }""", "do_resize is 1")]
    [InlineData("""{ "do_convert_rgb": "yes" }""", "do_convert_rgb")]
    [InlineData("""{ "image_mean": [0.5, 0.5] }""", "image_mean")]
    [InlineData("""{ "image_mean": [0.5, 0.5, "0.5"] }""", "image_mean")]
    [InlineData("""{ "image_std": [0.5, 0, 0.5] }""", "image_std")]
    [InlineData("""{ "image_std": 0.5 }""", "image_std")]
    [InlineData("""{ "rescale_factor": "1/255" }""", "rescale_factor")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{ \"size\": 22", "not valid JSON")]
    [InlineData("{} {}", "not valid JSON")]
    [InlineData("", "not valid JSON")]
    public void What_is_not_known_is_named_together_with_the_file(string json, string named)
    {
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => Parse(json));
        Assert.Contains("model/preprocessor_config.json", exception.Message, StringComparison.Ordinal);
        Assert.Contains(named, exception.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_the_file_gets_the_published_recipe_for_the_models_size()
    {
        string folder = Directory.CreateTempSubdirectory("pixio-recipe-").FullName;
        try
        {
            Assert.Equal("hf:bicubic-64x96", ImageRecipe.Load(folder, imageHeight: 64, imageWidth: 96).Id);
            File.WriteAllText(Path.Combine(folder, ImageRecipe.ConfigFileName), Published);
            Assert.Equal("hf:bicubic-256x256", ImageRecipe.Load(folder, imageHeight: 64, imageWidth: 96).Id);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Meta_knn_takes_the_centre_of_the_picture_with_its_shortest_side_resized()
    {
        ImageRecipe recipe = ImageRecipe.MetaKnn(64);
        Assert.Equal("meta-knn:bicubic-shortest-64-crop-64x64", recipe.Id);
        Assert.Equal(recipe.Id, recipe.ToString());
        Assert.Equal((64, 64), recipe.OutputSize(1000, 10));
    }

    // Surpluses 0 to 7: torchvision's int(round(surplus / 2.0)) in Python, which rounds halves to even, beside transformers' surplus // 2.
    [Fact]
    public void Crop_offsets_are_rounded_as_each_recipe_wants()
    {
        ImageGeometry meta = ImageRecipe.MetaKnn(10).Geometry;
        ImageGeometry hf = Parse("""{ "size": 10, "crop_size": 10 }""").Geometry;
        Assert.Equal([0, 0, 1, 2, 2, 2, 3, 4], Enumerable.Range(10, 8).Select(width => meta.Plan(width, 10).Kept.Left));
        Assert.Equal([0, 0, 1, 1, 2, 2, 3, 3], Enumerable.Range(10, 8).Select(width => hf.Plan(width, 10).Kept.Left));
        Assert.Equal([0, 0, 1, 2, 2, 2, 3, 4], Enumerable.Range(10, 8).Select(height => meta.Plan(10, height).Kept.Top));
    }

    // Python: int(256 * long / short).
    [Theory]
    [InlineData(640, 427, 383, 256)]
    [InlineData(427, 640, 256, 383)]
    [InlineData(451, 300, 384, 256)]
    [InlineData(97, 61, 407, 256)]
    [InlineData(1, 700, 256, 179200)]
    [InlineData(256, 256, 256, 256)]
    public void The_long_side_is_truncated(int width, int height, int resizedWidth, int resizedHeight)
    {
        (int actualWidth, int actualHeight, _) = ImageRecipe.MetaKnn(256).Geometry.Plan(width, height);
        Assert.Equal((resizedWidth, resizedHeight), (actualWidth, actualHeight));
    }

    [Fact]
    public void Another_size_replaces_resize_and_crop()
    {
        Assert.Equal("hf:bicubic-384x512", ImageRecipe.Hf(256, 256).WithSize(384, 512).Id);
        Assert.Equal("meta-knn:bicubic-shortest-384-crop-384x384", ImageRecipe.MetaKnn(256).WithSize(384, 384).Id);
        ArgumentException exception = Assert.Throws<ArgumentException>(() => ImageRecipe.MetaKnn(256).WithSize(384, 512));
        Assert.Contains("384x512", exception.Message, StringComparison.Ordinal);

        ImageRecipe ofFile = Parse("""{ "size": 10, "crop_size": 10, "image_mean": [1, 1, 1], "image_std": [1, 1, 1] }""");
        Assert.Equal("hf:bicubic-20x30-mean-1,1,1-std-1,1,1", ofFile.WithSize(20, 30).Id);
    }

    [Fact]
    public void Sizes_are_read_as_users_write_them()
    {
        Assert.Equal((256, 512), ImageRecipe.ParseSize("256x512"));
        foreach (string text in (string[])["", "256", "256x", "x256", "0x16", "-1x16", "16x16x16", "16 x 16", "a x b", "99999999999x1"])
        {
            ArgumentException exception = Assert.Throws<ArgumentException>(() => ImageRecipe.ParseSize(text));
            Assert.Contains($"\"{text}\"", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_picture_that_a_recipe_cannot_take_is_refused()
    {
        ImageRecipe crop = Parse("""{ "do_resize": false, "crop_size": 100 }""");
        Assert.Contains("100 x 100", Assert.Throws<ImageFormatException>(() => crop.OutputSize(100, 99)).Message, StringComparison.Ordinal);
        Assert.Throws<ImageFormatException>(() => ImageRecipe.MetaKnn(256).OutputSize(1, 100_000_000));
    }

    [Fact]
    public void Sizes_that_are_not_positive_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ImageRecipe.Hf(0, 256));
        Assert.Throws<ArgumentOutOfRangeException>(() => ImageRecipe.Hf(256, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => ImageRecipe.MetaKnn(0));
    }

    private static ImageRecipe Parse(string json) => ImageRecipe.Parse(Encoding.UTF8.GetBytes(json), "model/preprocessor_config.json");
}
