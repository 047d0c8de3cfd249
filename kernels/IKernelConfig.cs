using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>One way of compiling a kernel: its tunables, and what they cost. Pure: made and compared without a device.</summary>
internal interface IKernelConfig
{
    /// <summary>The text and its defines; equal configurations have equal sources.</summary>
    KernelSource Source { get; }

    /// <summary>Threads of a block.</summary>
    int Threads { get; }

    /// <summary>Dynamic shared memory of a block, in bytes.</summary>
    int SharedBytes { get; }

    /// <summary>The most registers that a thread may take, by ptxas' count: what keeps as many blocks resident as the mapping counts on.</summary>
    int RegisterBudget { get; }

    /// <summary>Instructions that the PTX must contain, so that a naive kernel cannot pass for a fast one.</summary>
    IReadOnlyList<string> RequiredInstructions { get; }
}
