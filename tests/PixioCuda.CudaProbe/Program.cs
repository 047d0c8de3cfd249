// A process for tests, because libraries and the environment's cache are looked for once in each process.
//   driver   what the look at the driver finds, and what opening a device says
//   load     streams the checkpoint of a folder to the emulated device, which keeps a digest alone; where each tensor went, and the peak
//   fold     the same in bf16 with LayerNorms folded into weights, where launches do nothing
//   compile  waits for a line on standard input, then fetches or compiles some kernels; one line for each, then the cache's warnings
using System.Security.Cryptography;
using PixioCuda.Interop;

switch (args)
{
    case ["driver"]:
        CudaDriverStatus status = CudaDriver.Probe();
        Console.WriteLine($"{status.DeviceCount} devices: {status.Finding}");
        try
        {
            using var device = GpuDevice.Open();
            Console.WriteLine($"opened {device.Info.Title}");
        }
        catch (Exception exception) when (exception is CudaException or CudaLibraryException)
        {
            Console.WriteLine($"{exception.GetType().Name}: {exception.Message}");
        }

        return 0;

    case ["load", string folder]:
        LoadProbe.Run(folder, folds: false);
        return 0;

    case ["fold", string folder]:
        LoadProbe.Run(folder, folds: true);
        return 0;

    case ["compile", string countText]:
        int count = int.Parse(countText, System.Globalization.CultureInfo.InvariantCulture);
        KernelCompiler? compiler = KernelCompiler.Find(out CudaLibraryException? failure);
        KernelCache cache = KernelCache.Default;
        Console.WriteLine("ready");
        Console.ReadLine();
        for (int index = 0; index < count; index++)
        {
            KernelSource source = ProbeKernels.Source(index);
            CompiledKernel? kernel = compiler is null
                ? cache.Find(source, GpuArchitecture.Sm80) : cache.GetOrCompile(source, GpuArchitecture.Sm80, compiler);
            Console.WriteLine(kernel is null
                ? $"{index} missing: {failure!.Summary}"
                : $"{index} {(kernel.FromCache ? "cached" : "compiled")} {Convert.ToHexStringLower(SHA256.HashData(kernel.Cubin))}");
        }

        foreach (string warning in cache.Warnings)
            Console.WriteLine("warning: " + warning);
        return 0;

    default:
        Console.Error.WriteLine("PixioCuda.CudaProbe: there are the commands 'driver', 'load FOLDER', 'fold FOLDER' and 'compile COUNT'.");
        return 2;
}
