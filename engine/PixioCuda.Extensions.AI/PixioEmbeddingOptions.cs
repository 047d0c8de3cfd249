using PixioCuda.Imaging;

namespace PixioCuda.Extensions.AI;

/// <summary>What a <see cref="PixioEmbeddingGenerator"/> makes of a picture. For a single call, give one by
/// <c>EmbeddingGenerationOptions.RawRepresentationFactory</c>.</summary>
public sealed record PixioEmbeddingOptions
{
    /// <summary>Which embedding; all kinds but <see cref="EmbeddingKind.Dense2d"/>, which is many vectors and not one.</summary>
    public EmbeddingKind Kind { get; init; } = EmbeddingKind.Pooler;

    /// <summary>How the picture is resized and cropped; null for the model's own recipe.</summary>
    public ImageRecipe? Recipe { get; init; }

    /// <summary>Whether every vector is scaled to length 1, so that a dot product is the cosine.</summary>
    public bool Normalize { get; init; }

    /// <exception cref="ArgumentException">The kind is not one vector.</exception>
    internal PixioEmbeddingOptions Checked()
    {
        if (Kind is not (EmbeddingKind.Pooler or EmbeddingKind.ClsRawMean or EmbeddingKind.ClsConcat))
        {
            throw new ArgumentException(
                $"An embedding generator gives one vector for each picture, which {Kind} is not: use {nameof(EmbeddingKind.Pooler)}, "
                + $"{nameof(EmbeddingKind.ClsRawMean)} or {nameof(EmbeddingKind.ClsConcat)}, or {nameof(PixioModel)} itself for patches.");
        }

        return this;
    }
}
