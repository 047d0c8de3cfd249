using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>One way of compiling attention.</summary>
/// <param name="HeadDim">Compiled exactly.</param>
/// <param name="Element">Of qkv and context.</param>
/// <param name="KeyBlock">Keys that pass by at a time; decides the order of sums, and with it the bits.</param>
/// <param name="BlocksPerSm">That registers must allow at a time.</param>
internal abstract record AttentionConfig(int HeadDim, ElementType Element, int KeyBlock, int BlocksPerSm) : IKernelConfig
{
    private const int RegistersPerSm = 65536, MaxRegisters = 255;

    public abstract KernelSource Source { get; }

    public abstract int Threads { get; }

    public abstract int SharedBytes { get; }

    public virtual int RegisterBudget => RegistersFor(Threads, BlocksPerSm);

    public abstract IReadOnlyList<string> RequiredInstructions { get; }

    /// <summary>Query rows that a block computes at a time.</summary>
    public abstract int BlockRows { get; }

    /// <summary>Blocks that share a head's queries.</summary>
    public virtual int QueryBlocks(AttentionShape shape) => AttentionShape.CeilDiv(shape.QueryTokens, BlockRows);

    /// <summary>What a launch moves and computes.</summary>
    public abstract KernelWork Work(AttentionShape shape);

    /// <summary>The most that ptxas may take so that as many blocks fit: a multiple of 8.</summary>
    internal static int RegistersFor(int threads, int blocksPerSm)
        => Math.Min(RegistersPerSm / (threads * blocksPerSm) / 8 * 8, MaxRegisters);
}
