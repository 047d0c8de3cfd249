using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using PixioCuda;
using PixioCuda.Cuda;
using PixioCuda.Graph;
using PixioCuda.Imaging;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Weights;

/// <summary>Loads a checkpoint that is larger than this machine's memory may be.</summary>
internal static unsafe class LoadProbe
{
    private const long RingByteCount = 64 << 20;

    // Weights are one allocation, beside which nothing is as large.
    private const ulong DigestThreshold = 1 << 28;

    /// <summary>Streams a checkpoint's tensors, and writes where those that go as they are stored, which is float32, lie on the device, what
    /// the device was given, and what this process took.</summary>
    /// <param name="folder">Where the checkpoint is.</param>
    /// <param name="folds">Load it in bf16, with LayerNorms folded into weights, rather than in float32. Kernels cannot write into memory that
    /// keeps a digest alone: then they have to do nothing (PIXIO_EMULATOR_IDLE).</param>
    public static void Run(string folder, bool folds)
    {
        nint driver = NativeLibrary.Load(Path.Combine(Environment.GetEnvironmentVariable("PIXIO_CUDA_LIBRARIES")!, "libcuda.so.1"));
        var setMemoryLimit = (delegate* unmanaged<int, ulong, ulong>)NativeLibrary.GetExport(driver, "emulatorSetMemoryLimit");
        var setDigestThreshold = (delegate* unmanaged<ulong, ulong>)NativeLibrary.GetExport(driver, "emulatorSetDigestThreshold");
        var digestOf = (delegate* unmanaged<ulong, ulong*, ulong*, int>)NativeLibrary.GetExport(driver, "emulatorDigest");
        using GpuDevice device = GpuDevice.Open();
        setMemoryLimit(device.Info.Ordinal, 64ul << 30);
        setDigestThreshold(DigestThreshold);

        PixioConfig config = PixioConfigJson.Load(Path.Combine(folder, "config.json"));
        using ITensorSource source = Checkpoint.Open(folder);
        EncoderWeights weights = EncoderWeights.Bind(source, config);
        Precision precision = folds ? Precision.BF16 : Precision.F32;
        LayerNormFolding? folding = LayerNormFolding.Of(config, precision, GemmProvider.Native, DeviceLimits.Of(device.Info));
        if (folding is not null != folds)
            throw new InvalidOperationException($"{device.Info.Title} does not fold as it should.");
        long start = Stopwatch.GetTimestamp();
        using CudaWeights loaded = CudaWeights.Load(
            weights, config, PixelScale.Published, device, precision, folding, RingByteCount, progress: null,
            CancellationToken.None);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

        ulong memory = loaded.Matrix(new(WeightRole.PatchWeight)).Address, digest, digested;
        if (digestOf(memory, &digest, &digested) == 0)
            throw new InvalidOperationException("The device has kept more than a digest of the weights.");
        foreach ((WeightKey key, _) in CudaWeights.Keys(config).Where(weight => !folds || !weight.IsMatrix))
        {
            ulong place = loaded.Vector(key).Address - memory;
            foreach (TensorInfo part in weights.Parts(key))
            {
                Write($"tensor {part.Name} {place}");
                place += (ulong)part.ElementCount * sizeof(float);
            }
        }

        Write($"folded {folding?.Matrices().Count() ?? 0}");
        Write($"digest {digest} {digested}");
        Write($"seconds {seconds}");
        string status = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        Write($"peak {long.Parse(status["VmHWM:".Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) * 1024}");
    }

    private static void Write(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
