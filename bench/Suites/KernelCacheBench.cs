using BenchmarkDotNet.Attributes;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Bench.Suites;

/// <summary>Fetching every kernel of the published encoders, in every precision, from a warm cache on disk. Needs NVRTC, and no GPU.</summary>
public class KernelCacheBench
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pixio-kernel-cache-").FullName;
    private KernelSource[] _sources = [];
    private KernelCompiler? _compiler;

    /// <summary>Fills the cache, and checks that it then has everything.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _compiler = KernelCompiler.Open();
        _sources = [.. KernelCatalog.ForPresets(DeviceLimits.H200).Select(config => config.Source)];
        KernelCache.Open(_folder).GetOrCompileAll(_sources, GpuArchitecture.Sm90A, _compiler, Environment.ProcessorCount);
        if (!Fetch().All(kernel => kernel.FromCache))
            throw new InvalidOperationException("The cache does not have every kernel that was put into it: not measured.");
    }

    /// <summary>Keys, files, checksums of all kernels.</summary>
    [Benchmark]
    public object WarmCache() => Fetch();

    /// <summary>Takes the folder away.</summary>
    [GlobalCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    private CompiledKernel[] Fetch()
        => KernelCache.Open(_folder).GetOrCompileAll(_sources, GpuArchitecture.Sm90A, _compiler!, Environment.ProcessorCount);
}
