namespace PixioCuda.Kernels;

/// <summary>What the kernels have to know of an encoder.</summary>
/// <param name="Name">For messages.</param>
/// <param name="HiddenSize">d.</param>
/// <param name="HeadCount">h.</param>
/// <param name="MlpSize">The width of the MLP's hidden layer.</param>
/// <param name="Channels">Of a picture.</param>
/// <param name="PatchHeight">In pixels.</param>
/// <param name="PatchWidth">In pixels.</param>
/// <param name="ClassTokens">Before the patches.</param>
/// <param name="QkvBias">Whether query, key and value add a bias.</param>
/// <param name="ImageHeight">Of the pictures that the stored positions belong to.</param>
/// <param name="ImageWidth">Of the same.</param>
internal sealed record EncoderDimensions(
    string Name, int HiddenSize, int HeadCount, int MlpSize, int Channels, int PatchHeight, int PatchWidth, int ClassTokens, bool QkvBias,
    int ImageHeight, int ImageWidth)
{
    /// <summary>The published encoders (arXiv 2512.15715).</summary>
    public static IReadOnlyList<EncoderDimensions> Presets { get; } =
    [
        Preset("vitb16", 768, 12), Preset("vitl16", 1024, 16), Preset("vith16", 1280, 16), Preset("vit1b16", 1536, 24), Preset("vit5b16", 3072, 32),
    ];

    public int HeadSize => HiddenSize / HeadCount;

    /// <summary>The inputs of the patch projection.</summary>
    public int PatchElements => Channels * PatchHeight * PatchWidth;

    /// <summary>Class tokens and patches of a picture.</summary>
    public int TokensOf(int height, int width) => ClassTokens + (height / PatchHeight * (width / PatchWidth));

    private static EncoderDimensions Preset(string name, int hiddenSize, int headCount)
        => new(name, hiddenSize, headCount, 4 * hiddenSize, 3, 16, 16, 8, QkvBias: true, 256, 256);
}
