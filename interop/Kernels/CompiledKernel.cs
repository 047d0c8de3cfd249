namespace PixioCuda.Interop;

/// <summary>A kernel as machine code.</summary>
/// <param name="Cubin">An ELF file for the driver.</param>
/// <param name="Log">What NVRTC and ptxas said.</param>
/// <param name="Architecture">What it was compiled for.</param>
/// <param name="CompilerVersion">The version of the NVRTC that made it.</param>
internal sealed record CompiledKernel(byte[] Cubin, string Log, GpuArchitecture Architecture, Version CompilerVersion)
{
    /// <summary>Whether it came from the cache.</summary>
    public bool FromCache { get; init; }

    /// <summary>What the kernel needs of a multiprocessor, read from the log.</summary>
    public KernelResources Resources => KernelResources.Parse(Log);
}

/// <summary>A kernel as PTX, for those who want to see which instructions it uses.</summary>
/// <param name="Text">PTX.</param>
/// <param name="Log">What NVRTC said.</param>
internal sealed record CompiledPtx(string Text, string Log);
