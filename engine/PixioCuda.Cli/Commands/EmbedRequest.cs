using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Pipeline;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Commands;

/// <summary>What <c>pixio embed</c> is asked for.</summary>
internal sealed record EmbedRequest
{
    public required CommandConsole Console { get; init; }

    public required Messages Messages { get; init; }

    public required PictureList List { get; init; }

    public required PictureWords Words { get; init; }

    public required string ModelName { get; init; }

    public required PixioModelOptions ModelOptions { get; init; }

    /// <summary>A file, a job's folder, or null for standard output alone.</summary>
    public required string? Output { get; init; }

    public required DType DType { get; init; }

    public required EmbeddingKind Kind { get; init; }

    public required EncoderTaps Taps { get; init; }

    public required bool Normalize { get; init; }

    public required int? Batch { get; init; }

    public required int? DecodeThreads { get; init; }

    public required PreprocessOn PreprocessOn { get; init; }

    /// <summary>The most pictures that may fail; 0 to end at the first, null for any number.</summary>
    public required long? FailureLimit { get; init; }

    public required bool AsJson { get; init; }

    /// <summary>How every output is stamped.</summary>
    /// <param name="model">The model.</param>
    /// <param name="modelHash">As <see cref="ModelHash"/>.</param>
    public FeatureFormat Format(PixioModel model, string modelHash)
    {
        RunStamp stamp = new RunStamp(ModelName, model)
            .With("model_sha256", modelHash)
            .With("embedding_kind", EmbeddingKinds.NameOf(Kind))
            .With("dtype", DType == DType.F16 ? "float16" : "float32")
            .With("normalized", Normalize);
        return new FeatureFormat(stamp, DType, Rows(model));
    }

    /// <summary>A picture's features as they are written: the embedding first.</summary>
    /// <exception cref="FailedException">They hold numbers that are not finite.</exception>
    public IReadOnlyList<FeatureTensor> Finish(string picture, IReadOnlyList<PictureFeature> features)
    {
        string name = EmbeddingKinds.OutputOf(Kind);
        PictureFeature embedding = features.First(feature => feature.Name == name);
        if (!Vectors.AreFinite(embedding.Values.Span))
        {
            throw new FailedException(
                $"The embedding of {picture} holds numbers that are not finite: the weights of this model are damaged.");
        }

        ReadOnlyMemory<float> values = Normalize ? Vectors.Normalized(embedding.Values.Span, embedding.Shape[^1]) : embedding.Values;
        return
        [
            new FeatureTensor("embeddings", embedding.Shape, values),
            .. features.Where(feature => feature != embedding)
                .Select(feature => new FeatureTensor(feature.Name, feature.Shape, feature.Values)),
        ];
    }

    /// <summary>What the features of a picture look like that has the model's own size.</summary>
    private FeatureTensor[] Rows(PixioModel model)
    {
        ImageSize size = model.Config.ImageSize;
        (int height, int width) = model.Recipe.OutputSize(size.Width, size.Height);
        IReadOnlyList<EncoderOutputInfo> outputs = model.Plan(new InputShape(1, new ImageSize(height, width)), Taps).Outputs;
        string name = EmbeddingKinds.OutputOf(Kind);
        return
        [
            .. outputs.OrderBy(output => output.Name == name ? 0 : 1).Select(output =>
                new FeatureTensor(output.Name == name ? "embeddings" : output.Name, [.. output.Shape.Skip(1)], default)),
        ];
    }
}
