using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>How pixels come.</summary>
internal enum PixelType
{
    /// <summary>[batch, channels, height, width], ready for the model.</summary>
    F32,

    /// <summary>[batch, height, width, channels] of bytes; see <see cref="BytePatchWeights"/>.</summary>
    U8,
}

/// <summary>A patch embedding: pixels -> [Batch, ClassTokens + patches, Columns].</summary>
internal readonly record struct PatchEmbedShape(
    int Batch, int Channels, int Height, int Width, int PatchHeight, int PatchWidth, int ClassTokens, int Columns, PixelType Pixels,
    ElementType Element, ElementType Output)
{
    public int GridHeight => Height / PatchHeight;

    public int GridWidth => Width / PatchWidth;

    /// <summary>Of a picture.</summary>
    public int Patches => checked(GridHeight * GridWidth);

    /// <summary>Of the batch.</summary>
    public int Rows => checked(Batch * Patches);

    public int Tokens => checked(ClassTokens + Patches);

    /// <summary>What a patch has.</summary>
    public int PatchElements => checked(Channels * PatchHeight * PatchWidth);

    /// <summary>Elements from one row of the weight to the next: those of a patch, then zeros up to 16 bytes.</summary>
    public int WeightPitch => (PatchElements + PitchUnit - 1) / PitchUnit * PitchUnit;

    private int PitchUnit => 16 / Element.ByteCount();
}

/// <summary>The tunables of patch_embed.cu and, for float32, patch_embed_f32.cu.</summary>
internal sealed record PatchEmbedConfig(
    int Channels, int PatchHeight, int PatchWidth, PixelType Pixels, ElementType Element, ElementType Output, int OutVector, int BlockRows,
    int BlockColumns, int WarpRows, int Stages) : IKernelConfig
{
    private const int WarpSize = 32;
    private const int WarpColumns = 32;
    private const int RowBytes = 128;

    public KernelSource Source
    {
        get
        {
            List<KernelDefine> defines =
            [
                new("PIXEL", Pixels == PixelType.U8 ? "u8" : "f32"), new("OUTPUT", Output.DeviceName()), new("OUT_VECTOR", $"{OutVector}"),
                new("CHANNELS", $"{Channels}"), new("PATCH_HEIGHT", $"{PatchHeight}"), new("PATCH_WIDTH", $"{PatchWidth}"), new("STAGES", $"{Stages}"),
            ];
            if (IsFloat)
                return KernelText.Source<PatchEmbedArgs>("patch_embed_f32", [.. defines]);
            defines.AddRange(
            [
                new("ELEMENT", Element.DeviceName()), new("BLOCK_ROWS", $"{BlockRows}"), new("BLOCK_COLUMNS", $"{BlockColumns}"),
                new("WARP_ROWS", $"{WarpRows}"),
            ]);
            return KernelText.Source<PatchEmbedArgs>("patch_embed", [.. defines]);
        }
    }

    public int Threads => IsFloat ? 128 : BlockRows / WarpRows * (BlockColumns / WarpColumns) * WarpSize;

    public int SharedBytes => ((Stages * BlockColumns) + (2 * BlockRows)) * RowBytes;

    // What the kernel's launch bounds leave: 2 blocks of 128 threads, 4 of them, 2 of 256 or 1.
    public int RegisterBudget => IsFloat ? 255 : WarpRows == 64 ? 255 : 128;

    public IReadOnlyList<string> RequiredInstructions => IsFloat
        ? ["cp.async.cg.shared.global", "fma.rn.f32", "ld.shared.v4"]
        : ["cp.async.cg.shared.global", "ldmatrix.sync", $"mma.sync.aligned.m16n8k16.row.col.f32.{Element.DeviceName()}"];

    private bool IsFloat => Element == ElementType.F32;

    /// <summary>Blocks along patches and along channels.</summary>
    public (long Rows, long Columns) Tiles(PatchEmbedShape shape)
        => ((shape.Rows + BlockRows - 1L) / BlockRows, (shape.Columns + BlockColumns - 1L) / BlockColumns);

    /// <summary>What a launch moves: patches once for each tile of channels, weights once for each tile of patches, positions and bias for
    /// every token; the tokens out once.</summary>
    public KernelWork Work(PatchEmbedShape shape)
    {
        (long rowTiles, long columnTiles) = Tiles(shape);
        int pixelBytes = Pixels == PixelType.U8 ? 1 : sizeof(float);
        long pixels = (long)shape.Rows * shape.PatchElements * pixelBytes, weights = (long)shape.Columns * shape.WeightPitch * Element.ByteCount();
        // Behind the last patch the last one is gathered again.
        long gathered = rowTiles * BlockRows * shape.PatchElements * pixelBytes;
        long tokens = (long)shape.Batch * shape.Tokens * shape.Columns, added = 2L * tokens * sizeof(float);
        // Float32: 4 patches share what 8 lanes read of bias.
        if (IsFloat)
            added -= (long)shape.Rows * shape.Columns * sizeof(float) * 3 / 4;
        long written = tokens * Output.ByteCount();
        long tables = (1L + shape.Tokens + shape.ClassTokens) * shape.Columns * sizeof(float);
        return new KernelWork(
            (columnTiles * gathered) + (rowTiles * weights) + added, written, 2.0 * shape.Rows * shape.PatchElements * shape.Columns,
            pixels + weights + tables + written);
    }
}
