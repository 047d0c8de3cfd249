using System.Globalization;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cli.Doctor;

/// <summary>Looks at everything that a model on CUDA needs, each thing also where an earlier one is wrong, as far as that goes.</summary>
internal sealed class Diagnosis
{
    private readonly List<DoctorCheck> _checks = [];
    private readonly List<DoctorDevice> _devices = [];
    private readonly List<CudaLibrary> _libraries = [];
    private readonly KernelCache _cache = KernelCache.Default;

    /// <summary>Examines this machine.</summary>
    /// <param name="cancellationToken">Looked at between the devices.</param>
    public static DoctorReport Run(CancellationToken cancellationToken)
    {
        Diagnosis diagnosis = new();
        CudaDriverStatus driver = CudaDriver.Probe();
        diagnosis.Library("driver", CudaLibraryKind.Driver, CheckState.Wrong);
        IReadOnlyList<GpuDeviceInfo> devices = diagnosis.Devices(driver);
        diagnosis.Library("nvrtc", CudaLibraryKind.Nvrtc, diagnosis.CacheServes(devices) ? CheckState.Optional : CheckState.Wrong);
        diagnosis.Library("cublasLt", CudaLibraryKind.CublasLt, CheckState.Optional);
        diagnosis.Cache();
        if (devices.Count == 0)
            diagnosis.Compile("", GpuArchitecture.Sm90A, DeviceLimits.H200);
        foreach (GpuDeviceInfo device in devices)
        {
            cancellationToken.ThrowIfCancellationRequested();
            diagnosis.Examine(device);
        }

        string taken = driver.DeviceCount == 0 ? "the CPU" : devices is [GpuDeviceInfo first, ..] ? first.Title : "cuda:0";
        return new DoctorReport(
            diagnosis._checks, diagnosis._devices, diagnosis._libraries, diagnosis._cache.Folder,
            $"--device auto takes {taken}, because {driver.Finding}.");
    }

    private void Library(string subject, CudaLibraryKind kind, CheckState whenMissing)
    {
        if (CudaLibraries.Find(kind, out CudaLibraryException? failure) is CudaLibrary library)
        {
            _libraries.Add(library);
            _checks.Add(kind == CudaLibraryKind.Driver && library.Version < CudaDriver.MinimumVersion
                ? new(subject, CheckState.Wrong, $"CUDA {library.Version}, {library.Path}; {CudaDriver.MinimumVersion} or later is needed",
                    "update NVIDIA's driver to version 525 or later")
                : new(subject, CheckState.Ok, $"CUDA {library.Version}, {library.Path}"));
            return;
        }

        // A library that is there and cannot be used is not got by installing it again where it is not looked for.
        _checks.Add(new(
            subject, whenMissing, Sentences.OneLine(failure!.Summary),
            failure.IsMissing ? CudaLibraryNames.Remedy(kind) : $"correct or unset {SearchEnvironment.OptionName}, or replace that file")
        {
            Searched = failure.IsMissing ? [.. LibraryPlaces.Of(kind, SearchEnvironment.FromProcess()).Select(
                place => place.Folder ?? "the dynamic linker's search path")] : [],
        });
    }

    private IReadOnlyList<GpuDeviceInfo> Devices(CudaDriverStatus driver)
    {
        if (CudaLibraries.Find(CudaLibraryKind.Driver, out _) is null)
        {
            _checks.Add(new("devices", CheckState.NotRun, "there is no driver to ask"));
            return [];
        }

        if (driver.DeviceCount == 0)
        {
            _checks.Add(new("devices", CheckState.Wrong, driver.Finding, "run `nvidia-smi`, which says why the driver shows no GPU"));
            return [];
        }

        try
        {
            IReadOnlyList<GpuDeviceInfo> devices = GpuDevice.List();
            _checks.Add(new("devices", CheckState.Ok, driver.Finding));
            return devices;
        }
        catch (CudaException exception)
        {
            _checks.Add(new("devices", CheckState.Wrong, Sentences.Of(exception)));
            return [];
        }
    }

    /// <summary>Whether the cache has kernels for a device, so that models may run without a compiler.</summary>
    private bool CacheServes(IReadOnlyList<GpuDeviceInfo> devices)
        => devices.Any(device => device.ComputeCapability.Major >= 8 && GpuArchitecture.CandidatesFor(device.ComputeCapability)
            .Any(architecture => _cache.Find(KernelTrials.ConversionSource, architecture) is not null));

    private void Cache()
    {
        if (_cache.Folder is not string folder)
        {
            // Not wrong: kernels are then compiled in every process.
            _checks.Add(new(
                "kernel cache", CheckState.Optional, string.Join(' ', _cache.Warnings),
                $"set {CacheFolder.OptionName} to the full path of a folder that only you can write to"));
            return;
        }

        try
        {
            FileInfo[] entries = new DirectoryInfo(folder).GetFiles("*.cubin");
            _checks.Add(new("kernel cache", CheckState.Ok, string.Create(CultureInfo.InvariantCulture,
                $"{entries.Length} kernels, {entries.Sum(entry => entry.Length):N0} bytes, {folder}")));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _checks.Add(new("kernel cache", CheckState.Optional, Sentences.Of(exception), $"make '{folder}' readable"));
        }
    }

    private void Examine(GpuDeviceInfo info)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"cuda:{info.Ordinal}");
        if (info.ComputeCapability.Major < 8)
        {
            _devices.Add(new(info, null));
            // Beside a GPU that serves it does no harm, unless it is the one that "auto" takes.
            _checks.Add(new(name, info.Ordinal == 0 ? CheckState.Wrong : CheckState.Optional,
                $"{info.Name}: its compute capability is {info.ComputeCapability}, and 8.0 or later is needed",
                "use another GPU (CUDA_VISIBLE_DEVICES hides this one), or --device cpu"));
            return;
        }

        try
        {
            using GpuDevice device = GpuDevice.Open(info.Ordinal);
            GpuMemoryInfo memory = device.MemoryInfo;
            _devices.Add(new(info, memory));
            _checks.Add(new(name, CheckState.Ok, string.Create(CultureInfo.InvariantCulture,
                $"{info.Name}, compute capability {info.ComputeCapability}, {info.SmCount} multiprocessors, "
                + $"{memory.Free:N0} of {memory.Total:N0} bytes free, {info.Uuid}")));
            bool compiles = Compile($"{name} ", null, DeviceLimits.Of(info));
            Trial($"{name} launch", () => KernelTrials.Convert(device), () => "every float16 converted to float32, bit for bit");
            if (compiles)
                Trial($"{name} matmul", () => KernelTrials.Multiply(device), () => "a bfloat16 product, bit for bit, by a captured graph");
            else
                _checks.Add(new($"{name} matmul", CheckState.NotRun, "its kernel was not compiled"));
        }
        catch (CudaException exception)
        {
            if (_devices.All(device => device.Info.Ordinal != info.Ordinal))
                _devices.Add(new(info, null));
            _checks.Add(new(name, CheckState.Wrong, Sentences.Of(exception), "run `nvidia-smi`, which says what holds or ails the GPU"));
        }
    }

    /// <summary>Compiles a kernel anew, past the cache.</summary>
    /// <param name="name">The device's, and a space; empty where there is none.</param>
    /// <param name="architecture">What for; null for the best that the compiler knows for the device.</param>
    /// <param name="device">What the kernel's configuration is chosen for.</param>
    private bool Compile(string name, GpuArchitecture? architecture, DeviceLimits device)
    {
        string subject = $"{name}compile";
        if (CudaLibraries.Find(CudaLibraryKind.Nvrtc, out _) is null)
        {
            _checks.Add(new(subject, CheckState.NotRun, "there is no NVRTC"));
            return false;
        }

        GpuArchitecture? target = architecture;
        string title = "";
        return Trial(subject, () =>
        {
            KernelCompiler compiler = KernelCompiler.Open();
            title = compiler.Title;
            target ??= GpuArchitecture.Select(device.ComputeCapability, compiler.Architectures, compiler.Title);
            CompiledKernel kernel = compiler.Compile(KernelTrials.ProductSource(device), target);
            return kernel.Cubin.Length > 0 ? null : "NVRTC made an empty CUBIN";
        }, () => $"a tensor-core kernel for {target} by {title}");
    }

    private bool Trial(string subject, Func<string?> run, Func<string> whenRight)
    {
        try
        {
            string? problem = run();
            _checks.Add(new(subject, problem is null ? CheckState.Ok : CheckState.Wrong, problem ?? whenRight()));
            return problem is null;
        }
        catch (Exception exception) when (exception
            is CudaException or CudaLibraryException or KernelCompilationException or NotSupportedException)
        {
            // The first line says what failed; a compiler's log behind it would hide the other checks.
            _checks.Add(new(subject, CheckState.Wrong, exception.Message.Split('\n')[0].TrimEnd()));
            return false;
        }
    }
}
