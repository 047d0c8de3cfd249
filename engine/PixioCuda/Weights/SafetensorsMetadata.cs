namespace PixioCuda.Weights;

/// <summary>The keys of a safetensors file's metadata that the engine writes and reads.</summary>
internal static class SafetensorsMetadata
{
    /// <summary>The framework whose conventions the names follow; transformers refuses a file without it.</summary>
    public const string Format = "format";

    /// <summary>The value of <see cref="Format"/> for Hugging Face checkpoints.</summary>
    public const string PyTorch = "pt";

    /// <summary>Present where the weights were made from a seed; the value says which.</summary>
    public const string RandomWeights = "pixio_random_weights";
}
