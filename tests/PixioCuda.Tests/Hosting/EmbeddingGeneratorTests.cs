using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;
using PixioCuda.Extensions.AI;
using PixioCuda.Imaging;
using SkiaSharp;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>The generator of Microsoft.Extensions.AI gives what the model gives.</summary>
public class EmbeddingGeneratorTests
{
    private static readonly string[] Photos =
        [.. new[] { "astronaut-420.jpg", "cat.png", "coffee-444.jpg", "rocket.jpg" }.Select(name => TestData.Path("images", name))];

    [Fact]
    public async Task Vectors_are_the_models_own_in_the_order_of_the_pictures()
    {
        using PixioModel model = SmallModel.Load(new BatchingOptions { MaxBatch = 2, MaxQueued = 3 });
        using PixioEmbeddingGenerator generator = new(model, new PixioEmbeddingOptions { Kind = EmbeddingKind.ClsConcat });
        // More than the queue holds: one call is never its own overload.
        string[] paths = [.. Enumerable.Repeat(Photos, 8).SelectMany(each => each).Take(12)];
        GeneratedEmbeddings<Embedding<float>> embeddings = await generator.GenerateAsync(paths.Select(Content));
        Assert.Equal(paths.Length, embeddings.Count);
        foreach ((string path, Embedding<float> embedding) in paths.Zip(embeddings))
        {
            Assert.Equal(model.Embed(path, EmbeddingKind.ClsConcat), embedding.Vector.ToArray());
            Assert.Equal(model.Name, embedding.ModelId);
        }

        Assert.Equal(model.Recipe.Id, embeddings.AdditionalProperties!["pixio.recipe"]);
        Assert.Equal("cls-concat", embeddings.AdditionalProperties["pixio.embedding_kind"]);
    }

    [Fact]
    public async Task One_call_may_ask_for_another_kind_and_recipe()
    {
        using PixioModel model = SmallModel.Load();
        using PixioEmbeddingGenerator generator = new(model);
        ImageRecipe recipe = ImageRecipe.MetaKnn(model.Config.ImageSize.Height);
        PixioEmbeddingOptions other = new() { Kind = EmbeddingKind.ClsRawMean, Recipe = recipe, Normalize = true };
        GeneratedEmbeddings<Embedding<float>> embeddings = await generator.GenerateAsync(
            [Content(Photos[0])], new EmbeddingGenerationOptions { RawRepresentationFactory = _ => other });
        RgbImage image = model.Decode(Photos[0]);
        ImageProcessor processor = new(recipe);
        (int height, int width) = processor.OutputSize(image);
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, new ImageSize(height, width)), EncoderTaps.For(EmbeddingKind.ClsRawMean));
        float[] pixels = new float[outputs.Plan.InputLength];
        processor.Process(image, pixels);
        model.Run(pixels, outputs);
        double norm = Math.Sqrt(outputs.Values.ToArray().Sum(value => (double)value * value));
        Assert.Equal(recipe.Id, embeddings.AdditionalProperties!["pixio.recipe"]);
        Assert.NotEqual(recipe.Id, model.Recipe.Id);
        foreach ((float expected, float actual) in outputs.Values.ToArray().Zip(embeddings[0].Vector.ToArray()))
            Assert.Equal(expected / norm, actual, 1e-6 * Math.Max(1e-3, Math.Abs(expected / norm)) + 1e-9);
    }

    [Fact]
    public void It_tells_what_it_is()
    {
        using PixioModel model = SmallModel.Load();
        using PixioEmbeddingGenerator generator = new(model, new PixioEmbeddingOptions { Kind = EmbeddingKind.ClsConcat });
        EmbeddingGeneratorMetadata metadata = Assert.IsType<EmbeddingGeneratorMetadata>(generator.GetService(typeof(EmbeddingGeneratorMetadata)));
        Assert.Equal("pixio", metadata.ProviderName);
        Assert.Equal(model.Name, metadata.DefaultModelId);
        Assert.Equal(model.Config.ClassTokens * model.Config.HiddenSize, metadata.DefaultModelDimensions);
        Assert.Same(model, generator.GetService(typeof(PixioModel)));
        Assert.Same(generator, generator.GetService(typeof(IEmbeddingGenerator<DataContent, Embedding<float>>)));
        Assert.Null(generator.GetService(typeof(PixioModel), "a key"));
        Assert.Null(generator.GetService(typeof(string)));
    }

    [Fact]
    public async Task What_cannot_be_done_is_said()
    {
        using PixioModel model = SmallModel.Load();
        using PixioEmbeddingGenerator generator = new(model);
        DataContent cat = Content(Photos[0]);
        await RefusedAsync("768 dimensions", [cat], new EmbeddingGenerationOptions { Dimensions = 768 });
        await RefusedAsync("The model other", [cat], new EmbeddingGenerationOptions { ModelId = "other" });
        await RefusedAsync("takes PixioEmbeddingOptions", [cat], new EmbeddingGenerationOptions { RawRepresentationFactory = _ => "text" });
        await RefusedAsync("Value 1 has the media type text/plain", [cat, new DataContent("text"u8.ToArray(), "text/plain")], null);
        Assert.Throws<ArgumentException>(() => new PixioEmbeddingGenerator(model, new PixioEmbeddingOptions { Kind = EmbeddingKind.Dense2d }));
        ImageFormatException broken = await Assert.ThrowsAsync<ImageFormatException>(() => generator.GenerateAsync(
            [cat, new DataContent("no picture"u8.ToArray(), "image/png") { Name = "broken.png" }, cat]));
        Assert.Contains("broken.png", broken.Message, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync([cat], cancellationToken: new CancellationToken(true)));
        Assert.Empty(await generator.GenerateAsync([]));
        // The pictures whose call has failed leave the queue as soon as their decoders have let go of them.
        for (int look = 0; look < 300 && model.QueueLength > 0; look++)
            await Task.Delay(100);
        Assert.Equal(0, model.QueueLength);

        async Task RefusedAsync(string words, DataContent[] contents, EmbeddingGenerationOptions? options)
        {
            ArgumentException exception = await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(contents, options));
            Assert.Contains(words, exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_vector_store_finds_the_right_picture()
    {
        using PixioModel model = SmallModel.Load();
        using PixioEmbeddingGenerator generator = new(model);
        using MemoryVectorCollection album = new(generator);
        await album.UpsertAsync(Photos.Select(path => new AlbumPicture { Name = Path.GetFileName(path), Picture = Content(path) }));
        foreach (string path in Photos)
        {
            // The same picture as somebody else has it: smaller, and through a JPEG.
            VectorSearchResult<AlbumPicture>[] found = await album.SearchAsync(Smaller(path), 2).ToArrayAsync();
            Assert.Equal(Path.GetFileName(path), found[0].Record.Name);
            Assert.True(found[0].Score > found[1].Score, $"{path} is told apart from no other picture.");
        }
    }

    private static DataContent Content(string path) => new(File.ReadAllBytes(path), path.EndsWith("png", StringComparison.Ordinal) ? "image/png" : "image/jpeg") { Name = Path.GetFileName(path) };

    private static DataContent Smaller(string path)
    {
        using SKBitmap bitmap = SKBitmap.Decode(path);
        using SKBitmap smaller = bitmap.Resize(new SKImageInfo(bitmap.Width * 3 / 4, bitmap.Height * 3 / 4), new SKSamplingOptions(SKCubicResampler.Mitchell));
        return new DataContent(smaller.Encode(SKEncodedImageFormat.Jpeg, 85).ToArray(), "image/jpeg");
    }
}
