namespace PixioCuda;

/// <summary>The four things that people mean by "the embedding" of a picture.</summary>
public enum EmbeddingKind
{
    /// <summary>The mean of the normed class tokens, d numbers: transformers' <c>pooler_output</c>.</summary>
    Pooler,

    /// <summary>The mean of the class tokens before the final LayerNorm, d numbers: what the original k-NN evaluation uses.</summary>
    ClsRawMean,

    /// <summary>The normed class tokens end to end, n * d numbers.</summary>
    ClsConcat,

    /// <summary>Every normed patch with the mean normed class token appended, P * 2d numbers: what the original dense heads take.</summary>
    Dense2d,
}

/// <summary>The names of the embedding kinds, as the command line and output files have them.</summary>
public static class EmbeddingKinds
{
    private static readonly (EmbeddingKind Kind, string Name, string Output)[] Table =
    [
        (EmbeddingKind.Pooler, "pooler", "pooler_output"),
        (EmbeddingKind.ClsRawMean, "cls-raw-mean", "cls_raw_mean"),
        (EmbeddingKind.ClsConcat, "cls-concat", "cls_concat"),
        (EmbeddingKind.Dense2d, "dense-2d", "dense_2d"),
    ];

    /// <summary>"pooler", "cls-raw-mean", "cls-concat", "dense-2d".</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Table.Select(entry => entry.Name)];

    /// <summary>The kind that a name means.</summary>
    /// <exception cref="ArgumentException">There is no such kind; the message lists those there are.</exception>
    public static EmbeddingKind Parse(string name)
    {
        int index = Array.FindIndex(Table, entry => entry.Name == name);
        return index >= 0
            ? Table[index].Kind
            : throw new ArgumentException($"There is no embedding '{name}'. The embeddings are {string.Join(", ", Names)}.", nameof(name));
    }

    /// <summary>The name of a kind.</summary>
    public static string NameOf(EmbeddingKind kind) => Find(kind).Name;

    /// <summary>The output of a plan that is the embedding, for example "pooler_output".</summary>
    public static string OutputOf(EmbeddingKind kind) => Find(kind).Output;

    private static (EmbeddingKind Kind, string Name, string Output) Find(EmbeddingKind kind)
    {
        int index = Array.FindIndex(Table, entry => entry.Kind == kind);
        return index >= 0 ? Table[index] : throw new ArgumentOutOfRangeException(nameof(kind), kind, "This is not one of the embedding kinds.");
    }
}
