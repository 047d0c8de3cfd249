using System.Globalization;

namespace PixioCuda.Kernels;

/// <summary>Attention of the first QueryTokens tokens of each picture over all of them: qkv [Batch, Tokens, 3, Heads, HeadDim] -> context
/// [Batch, QueryTokens, Heads, HeadDim], both of one element type.</summary>
internal readonly record struct AttentionShape(int Batch, int Tokens, int QueryTokens, int Heads, int HeadDim, ElementType Element)
{
    /// <summary>The widest head whose rows a thread's registers hold.</summary>
    public const int MaxHeadDim = 128;

    // Of the grid's second and third dimension.
    private const int MaxGrid = 65535;

    /// <summary>The sizes are possible at all, and within what the kernels do.</summary>
    /// <exception cref="ArgumentException">They are not possible.</exception>
    /// <exception cref="NotSupportedException">The kernels are not made for them.</exception>
    public void Check()
    {
        if (Batch < 1 || Tokens < 1 || QueryTokens < 1 || Heads < 1 || HeadDim < 1)
            throw new ArgumentException($"The sizes of an attention must be at least 1: {this}.");
        if (QueryTokens > Tokens)
            throw new ArgumentException($"An attention over {Tokens} tokens cannot have {QueryTokens} query tokens.");
        if (HeadDim > MaxHeadDim)
        {
            throw new NotSupportedException(
                $"Attention with heads of {HeadDim} does not fit into registers; at most {MaxHeadDim} do. Use the CPU backend.");
        }

        if (Batch > MaxGrid || Heads > MaxGrid)
        {
            throw new NotSupportedException(
                $"Attention of {Batch} pictures with {Heads} heads is not possible in one launch; {MaxGrid} of each are.");
        }

        // What the kernels count in 32 bits.
        if ((long)Batch * Tokens > int.MaxValue || 3L * Heads * HeadDim > int.MaxValue)
        {
            throw new NotSupportedException(
                $"Attention over {Batch} x {Tokens} tokens of {Heads} x {HeadDim} is too large for one launch. Run fewer pictures.");
        }
    }

    /// <summary>What a score is multiplied with before e, or 2 where base2 is set, is raised to it.</summary>
    public float Scale(bool base2) => (float)((base2 ? Math.Log2(Math.E) : 1) / Math.Sqrt(HeadDim));

    /// <summary>Bytes of a head's row in shared memory: padded to what one step of the products takes.</summary>
    public int SharedRowBytes => Element == ElementType.F32 ? RoundUp(HeadDim, 4) * sizeof(float) : RoundUp(HeadDim, 16) * sizeof(ushort);

    /// <summary>The instruction that copies rows of this alignment to shared memory, or null where none can.</summary>
    public string? CopyInstruction => (HeadDim * Element.ByteCount() % 16) switch
    {
        0 => "cp.async.cg.shared.global",
        int bytes when bytes % 4 == 0 => "cp.async.ca.shared.global",
        _ => null,
    };

    /// <summary>How often each byte of qkv is asked for by one reading of it: elements of odd rows come one at a time in pairs.</summary>
    public int ReadsPerElement => CopyInstruction is null ? 2 : 1;

    public static int RoundUp(int value, int multiple) => CeilDiv(value, multiple) * multiple;

    public static int CeilDiv(int value, int divisor) => (value + divisor - 1) / divisor;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"attention of {Batch} x {QueryTokens} over {Tokens} tokens, {Heads} heads of {HeadDim}, {Element.DeviceName()}");
}
