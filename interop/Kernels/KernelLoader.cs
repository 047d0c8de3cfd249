using System.Collections.Concurrent;

namespace PixioCuda.Interop;

/// <summary>The kernels of one device: each is fetched from the cache or compiled, and loaded, once.</summary>
internal sealed unsafe class KernelLoader(GpuContext context, GpuDeviceInfo device, KernelCache cache) : IDisposable
{
    // By the sources themselves: a key of the cache is a hash over all of their text, and every launch of a forward pass asks here.
    private readonly ConcurrentDictionary<KernelSource, Lazy<LoadedKernel>> _loaded = new(KernelSourceComparer.Instance);
    private readonly Lazy<FoundCompiler> _compiler = new(
        () => new FoundCompiler(KernelCompiler.Find(out CudaLibraryException? failure), failure));

    /// <summary>The kernel, ready to be launched.</summary>
    /// <exception cref="KernelCompilationException">It does not compile.</exception>
    /// <exception cref="CudaLibraryException">There is no NVRTC, and the cache does not have it.</exception>
    /// <exception cref="NotSupportedException">It cannot be compiled for this device.</exception>
    /// <exception cref="CudaException">The driver does not take it.</exception>
    public LoadedKernel Load(KernelSource source)
    {
        Lazy<LoadedKernel> kernel = _loaded.GetOrAdd(source, _ => new Lazy<LoadedKernel>(() => Load(Compile(source), source)));
        try
        {
            return kernel.Value;
        }
        catch
        {
            // What failed once may succeed later: memory becomes free, an NVRTC is installed.
            _loaded.TryRemove(KeyValuePair.Create(source, kernel));
            throw;
        }
    }

    public void Dispose()
    {
        foreach (Lazy<LoadedKernel> kernel in _loaded.Values)
        {
            if (kernel.IsValueCreated)
                kernel.Value.Dispose();
        }

        _loaded.Clear();
    }

    private CompiledKernel Compile(KernelSource source)
    {
        (KernelCompiler? compiler, CudaLibraryException? failure) = _compiler.Value;
        if (compiler is not null)
            return cache.GetOrCompile(source, GpuArchitecture.Select(device.ComputeCapability, compiler.Architectures, compiler.Title),
                compiler);
        foreach (GpuArchitecture architecture in GpuArchitecture.CandidatesFor(device.ComputeCapability))
        {
            if (cache.Find(source, architecture) is CompiledKernel found)
                return found;
        }

        throw new CudaLibraryException(CudaLibraryKind.Nvrtc,
            $"The kernel {source.Title} must be compiled for {device.Title}: "
            + (cache.Folder is string folder ? $"the cache in '{folder}' does not have it" : "there is no cache of kernels")
            + $", and there is no compiler. {failure!.Message}", failure)
        { IsMissing = failure.IsMissing, Summary = failure.Summary };
    }

    private LoadedKernel Load(CompiledKernel compiled, KernelSource source)
    {
        context.MakeCurrent();
        var handle = new ModuleHandle(context.Handle);
        nint value;
        CUresult result;
        fixed (byte* image = compiled.Cubin)
            result = CudaDriverApi.cuModuleLoadDataEx(out value, image, 0, null, null);
        ModuleHandle module = context.Adopt(
            handle, result, value, nameof(CudaDriverApi.cuModuleLoadDataEx),
            $"Loading the kernel {source.Title}, compiled for {compiled.Architecture} by NVRTC {compiled.CompilerVersion},");
        try
        {
            result = CudaDriverApi.cuModuleGetFunction(out nint function, module.DangerousGetHandle(), source.Entry);
            if (result != CUresult.CUDA_SUCCESS)
            {
                throw context.Failure(
                    result, nameof(CudaDriverApi.cuModuleGetFunction),
                    $"Looking for the entry '{source.Entry}' in the kernel {source.Title}");
            }

            // Asking for these also makes a driver that loads lazily load the code now, and not within a capture.
            var attributes = new KernelAttributes(
                Attribute(function, CUfunction_attribute.CU_FUNC_ATTRIBUTE_NUM_REGS),
                Attribute(function, CUfunction_attribute.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES),
                Attribute(function, CUfunction_attribute.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES),
                Attribute(function, CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK));
            return new LoadedKernel(source, compiled, module, function, attributes);
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    private int Attribute(nint function, CUfunction_attribute attribute)
    {
        context.Check(CudaDriverApi.cuFuncGetAttribute(out int value, attribute, function), nameof(CudaDriverApi.cuFuncGetAttribute));
        return value;
    }

    // A class, here and where else an engine starts: the runtime has generic code for all of them, and compiles it anew for each struct.
    private sealed record FoundCompiler(KernelCompiler? Compiler, CudaLibraryException? Failure);
}
