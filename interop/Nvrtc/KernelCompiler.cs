using System.Collections.Concurrent;

namespace PixioCuda.Interop;

/// <summary>NVRTC as the compiler of kernels. Needs no GPU, and no headers: only what a <see cref="KernelSource"/> brings is
/// included.</summary>
internal sealed class KernelCompiler : IKernelCompiler
{
    private static readonly Lazy<KernelCompiler> Shared = new(
        () => new KernelCompiler(CudaLibraries.Nvrtc), LazyThreadSafetyMode.PublicationOnly);

    private readonly CudaLibrary _library;

    private KernelCompiler(CudaLibrary library)
    {
        _library = library;
        Architectures = ReadArchitectures();
    }

    public Version Version => _library.Version;

    public IReadOnlyList<int> Architectures { get; }

    /// <summary>The compiler in a sentence.</summary>
    public string Title => $"NVRTC {Version} ({_library.Path})";

    /// <summary>This process's compiler.</summary>
    /// <exception cref="CudaLibraryException">There is no NVRTC, or it does not say what it compiles for.</exception>
    public static KernelCompiler Open() => Shared.Value;

    /// <summary>This process's compiler, or null and the reason why there is none.</summary>
    /// <exception cref="CudaLibraryException">It is there and does not say what it compiles for.</exception>
    public static KernelCompiler? Find(out CudaLibraryException? failure)
        => CudaLibraries.Find(CudaLibraryKind.Nvrtc, out failure) is null ? null : Shared.Value;

    public CompiledKernel Compile(KernelSource source, GpuArchitecture architecture)
    {
        using NvrtcProgram program = Compile(source, architecture, architecture.Name);
        return new CompiledKernel(program.Cubin(), program.Log(), architecture, Version);
    }

    /// <summary>Compiles one kernel to PTX.</summary>
    /// <exception cref="KernelCompilationException">It does not compile.</exception>
    public CompiledPtx CompilePtx(KernelSource source, GpuArchitecture architecture)
    {
        using NvrtcProgram program = Compile(source, architecture, architecture.VirtualName);
        return new CompiledPtx(program.Ptx(), program.Log());
    }

    /// <summary>Compiles many kernels on several threads.</summary>
    /// <param name="sources">The kernels.</param>
    /// <param name="architecture">What for.</param>
    /// <param name="degree">How many at a time at most.</param>
    /// <returns>What was made, in the order of the sources.</returns>
    /// <exception cref="AggregateException">Some do not compile: each with its <see cref="KernelCompilationException"/>.</exception>
    public CompiledKernel[] CompileAll(IReadOnlyList<KernelSource> sources, GpuArchitecture architecture, int degree)
    {
        var compiled = new CompiledKernel[sources.Count];
        // One at a time: kernels take from a tenth of a second to several, and whole ranges of them would leave threads idle at the end.
        Parallel.ForEach(
            Partitioner.Create(Enumerable.Range(0, sources.Count), EnumerablePartitionerOptions.NoBuffering),
            new ParallelOptions { MaxDegreeOfParallelism = degree }, index => compiled[index] = Compile(sources[index], architecture));
        return compiled;
    }

    private static unsafe int[] ReadArchitectures()
    {
        NvrtcResult result = NvrtcApi.nvrtcGetNumSupportedArchs(out int count);
        int[] numbers = result == NvrtcResult.NVRTC_SUCCESS ? new int[count] : [];
        fixed (int* destination = numbers)
        {
            if (result == NvrtcResult.NVRTC_SUCCESS)
                result = NvrtcApi.nvrtcGetSupportedArchs(destination);
        }

        return result == NvrtcResult.NVRTC_SUCCESS
            ? numbers : throw NvrtcProgram.Failure("NVRTC does not list its architectures", result);
    }

    private NvrtcProgram Compile(KernelSource source, GpuArchitecture architecture, string target)
    {
        if (!Architectures.Contains(architecture.Number))
        {
            throw new NotSupportedException($"{Title} does not know {architecture} "
                + $"(it knows {string.Join(", ", Architectures.Select(number => $"sm_{number}"))}).");
        }

        NvrtcProgram program = NvrtcProgram.Create(source);
        try
        {
            NvrtcResult result = program.Compile(KernelOptions.Of(source, target, Version));
            if (result == NvrtcResult.NVRTC_SUCCESS)
                return program;
            if (result == NvrtcResult.NVRTC_ERROR_BUILTIN_OPERATION_FAILURE)
            {
                string builtins = CudaLibraryNames.BuiltinsFileName(Version.Major, Version.Minor, OperatingSystem.IsWindows());
                string summary = $"{Title} does not find its builtins";
                throw new CudaLibraryException(CudaLibraryKind.Nvrtc, $"{summary}: put {builtins} into its folder.") { Summary = summary };
            }

            throw KernelCompilationException.Create(source, architecture, NvrtcProgram.Describe(result), program.Log());
        }
        catch
        {
            program.Dispose();
            throw;
        }
    }
}
