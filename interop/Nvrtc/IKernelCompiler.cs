namespace PixioCuda.Interop;

/// <summary>Makes machine code of a kernel's source.</summary>
internal interface IKernelCompiler
{
    /// <summary>The compiler's version: what it makes is kept apart from what others make.</summary>
    Version Version { get; }

    /// <summary>The architectures it knows (<see cref="GpuArchitecture.Number"/>).</summary>
    IReadOnlyList<int> Architectures { get; }

    /// <summary>Compiles one kernel. May be called by several threads at a time.</summary>
    /// <exception cref="KernelCompilationException">It does not compile.</exception>
    CompiledKernel Compile(KernelSource source, GpuArchitecture architecture);
}
