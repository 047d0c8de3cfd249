using System.Collections.Concurrent;

namespace PixioCuda.Interop;

/// <summary>
/// Compiled kernels on disk, one file for each kernel and compiler version: KEY-nvrtcX.Y.cubin. Safe with many threads and processes: a
/// file appears whole or not at all, under a name that says all that decides its contents. What goes wrong with the disk is a warning,
/// never an error: the kernel is compiled all the same. See docs/decisions/0005-kernel-cache.md.
/// </summary>
internal sealed class KernelCache
{
    private static readonly Lazy<KernelCache> FromEnvironment = new(() => Create(Environment.GetEnvironmentVariable));

    private readonly CacheFiles? _files;
    private readonly ConcurrentQueue<string> _warnings = new();
    private int _notKept;

    private KernelCache(CacheFiles? files, string? problem)
    {
        _files = files;
        if (problem is not null)
            _warnings.Enqueue($"Kernels are compiled anew in every process, because {problem}.");
    }

    /// <summary>No cache: every process compiles its kernels anew. For tests whose compiler is not the one that its version says.</summary>
    public static KernelCache None => new(null, null);

    /// <summary>The cache of this process's environment.</summary>
    public static KernelCache Default => FromEnvironment.Value;

    /// <summary>The folder, or null where there is none that can be used.</summary>
    public string? Folder => _files?.Folder;

    /// <summary>How many kernels were compiled and could not be written to the folder.</summary>
    public int NotKeptCount => Volatile.Read(ref _notKept);

    /// <summary>What went wrong with the cache, in sentences; empty where all is well.</summary>
    public IReadOnlyCollection<string> Warnings => _warnings;

    /// <summary>The cache that an environment names.</summary>
    /// <param name="variable">Reads an environment variable.</param>
    public static KernelCache Create(Func<string, string?> variable)
        => CacheFolder.FromEnvironment(variable, out string? problem) is string root ? Open(root) : new KernelCache(null, problem);

    /// <summary>The cache in a folder.</summary>
    /// <param name="root">The folder of caches; kernels are in its subfolder kernels.</param>
    /// <param name="createFile">Makes a new file for writing; null for the disk's own.</param>
    /// <param name="ownershipOf">Tells who owns a folder; null to ask the system.</param>
    public static KernelCache Open(
        string root, Func<string, Stream>? createFile = null, Func<string, FolderOwnership>? ownershipOf = null)
    {
        string? folder = CacheFolder.Open(root, ownershipOf ?? FolderOwnership.Of, out string? problem);
        return new KernelCache(folder is null ? null : new CacheFiles(folder, createFile), problem);
    }

    /// <summary>A kernel that one compiler version has made, or is to make now.</summary>
    /// <exception cref="KernelCompilationException">It does not compile.</exception>
    public CompiledKernel GetOrCompile(KernelSource source, GpuArchitecture architecture, IKernelCompiler compiler)
    {
        KernelKey key = KernelKey.Of(source, architecture);
        return Read(key, source, compiler.Version, out bool damaged) ?? Compile(key, source, architecture, compiler, damaged);
    }

    /// <summary>A kernel that any compiler version has made, the newest first: for a machine without a compiler.</summary>
    /// <returns>The kernel, or null where there is none.</returns>
    public CompiledKernel? Find(KernelSource source, GpuArchitecture architecture)
    {
        KernelKey key = KernelKey.Of(source, architecture);
        foreach (string name in _files?.NamesOf(key) ?? [])
        {
            if (Read(name, key, source, out _) is CompiledKernel kernel)
                return kernel;
        }

        return null;
    }

    /// <summary>Fetches or compiles many kernels on several threads.</summary>
    /// <param name="sources">The kernels.</param>
    /// <param name="architecture">What for.</param>
    /// <param name="compiler">The compiler.</param>
    /// <param name="degree">How many at a time at most.</param>
    /// <returns>The kernels, in the order of the sources.</returns>
    /// <exception cref="AggregateException">Some do not compile: each with its <see cref="KernelCompilationException"/>.</exception>
    public CompiledKernel[] GetOrCompileAll(
        IReadOnlyList<KernelSource> sources, GpuArchitecture architecture, IKernelCompiler compiler, int degree)
    {
        var kernels = new CompiledKernel[sources.Count];
        var missing = new List<(int Index, KernelKey Key, bool Damaged)>();
        // Reading takes less time than it takes to start threads.
        for (int index = 0; index < sources.Count; index++)
        {
            KernelKey key = KernelKey.Of(sources[index], architecture);
            if (Read(key, sources[index], compiler.Version, out bool damaged) is CompiledKernel kernel)
                kernels[index] = kernel;
            else
                missing.Add((index, key, damaged));
        }

        if (missing.Count > 0)
        {
            // One at a time: kernels take from a tenth of a second to several.
            Parallel.ForEach(
                Partitioner.Create(missing, EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { MaxDegreeOfParallelism = degree },
                work => kernels[work.Index] = Compile(work.Key, sources[work.Index], architecture, compiler, work.Damaged));
        }

        return kernels;
    }

    private CompiledKernel Compile(KernelKey key, KernelSource source, GpuArchitecture architecture, IKernelCompiler compiler, bool damaged)
    {
        CompiledKernel compiled = compiler.Compile(source, architecture);
        if (_files?.Write(CacheFiles.NameOf(key, compiler.Version), CacheEntry.Write(key, compiled)) is string problem)
        {
            Interlocked.Increment(ref _notKept);
            Warn($"The compiled kernel {source.Title} is not kept: {problem}");
        }
        else if (damaged)
        {
            Warn($"The damaged entry of the kernel {source.Title} was made anew.");
        }

        return compiled;
    }

    private CompiledKernel? Read(KernelKey key, KernelSource source, Version compiler, out bool damaged)
    {
        CompiledKernel? found = Read(CacheFiles.NameOf(key, compiler), key, source, out damaged);
        return found is not null && found.CompilerVersion == compiler ? found : null;
    }

    private CompiledKernel? Read(string name, KernelKey key, KernelSource source, out bool damaged)
    {
        damaged = false;
        byte[]? file = _files?.Read(name, out damaged);
        if (file is null)
        {
            if (damaged)
                Warn($"The entry '{name}' of the kernel {source.Title} cannot be read or is too long.");
            return null;
        }

        if (CacheEntry.Read(file, key, out CompiledKernel? kernel) is not string problem)
            return kernel;
        damaged = true;
        Warn($"The entry '{name}' of the kernel {source.Title} is damaged: {problem}.");
        return null;
    }

    private void Warn(string sentence)
    {
        // A cache on a broken disk must not fill the memory with its complaints.
        if (_warnings.Count < 100)
            _warnings.Enqueue(sentence);
    }
}
