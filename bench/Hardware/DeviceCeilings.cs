using System.Globalization;
using PixioCuda.Bench.Suites.Cuda;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Bench.Hardware;

/// <summary>What a CUDA device reaches at best, measured: a large copy within its memory, and a large bfloat16 product by cuBLASLt. The
/// figures beside which kernels are to be seen; and how many clusters of each size it holds, by which the products' tiles are chosen.</summary>
internal static class DeviceCeilings
{
    private const int WarmUp = 3;
    private const int Runs = 20;

    private static readonly long CopyBytes = BenchSize.IsSmoke ? 1 << 20 : 4L << 30;

    private static readonly int Side = BenchSize.IsSmoke ? 64 : 8192;

    /// <summary>Prints one line of JSON for each ceiling.</summary>
    /// <returns>The exit code: 3 where there is no device or no cuBLASLt.</returns>
    public static int Run()
    {
        CudaDriverStatus driver = CudaDriver.Probe();
        if (driver.DeviceCount == 0)
        {
            Console.Error.WriteLine($"The ceilings are those of a CUDA device, and there is none here: {driver.Finding}.");
            return 3;
        }

        using GpuDevice device = GpuDevice.Open();
        using GpuStream stream = device.CreateStream();
        Clusters(device);
        Copy(device, stream);
        if (CudaLibraries.Find(CudaLibraryKind.CublasLt, out CudaLibraryException? failure) is null)
        {
            Console.Error.WriteLine(failure!.Message);
            return 3;
        }

        Product(device, stream);
        return 0;
    }

    private static void Clusters(GpuDevice device)
    {
        if (device.Info.ComputeCapability.Major < 9)
            return;
        var counts = ClusterCounts.Of(device);
        string list = string.Join(',', Enumerable.Range(1, ClusterCounts.Most).Select(blocks => counts[blocks]));
        Console.WriteLine($"{{\"clusters_of_1_to_{ClusterCounts.Most}_blocks\":[{list}]}}");
    }

    private static void Copy(GpuDevice device, GpuStream stream)
    {
        using DeviceMemory<byte> from = device.Allocate<byte>(CopyBytes), to = device.Allocate<byte>(CopyBytes);
        device.MemsetAsync(stream, from, 0x5A);
        double seconds = Median(device, stream, () => device.CopyAsync(stream, from, to));
        byte[] end = new byte[64];
        using DeviceMemory<byte> last = device.Allocate<byte>(end.Length);
        device.CopyAsync(stream, to.Pointer[CopyBytes - end.Length], last.Pointer, end.Length);
        stream.Synchronize();
        device.Download(last, end.AsSpan());
        if (end.AsSpan().ContainsAnyExcept((byte)0x5A))
            throw new InvalidOperationException("The copy did not arrive: not measured.");
        Print("copy", seconds, $"\"bytes\":{CopyBytes},\"gb_per_second\":{2e-9 * CopyBytes / seconds:F1}");
    }

    private static void Product(GpuDevice device, GpuStream stream)
    {
        // Sums of Side products of numbers within [-1, 1]: on random data, since zeros take less power and run faster.
        long count = (long)Side * Side;
        ushort[] values = new ushort[count];
        Random random = new(1);
        for (long i = 0; i < count; i++)
            values[i] = (ushort)(BitConverter.SingleToUInt32Bits(random.Next(-64, 65) / 64f) >> 16);
        MatmulShape shape = new(Side, Side, Side, CudaDataType.CUDA_R_16BF);
        using CublasLtMatmul product = new(device, shape, 64 << 20);
        using DeviceMemory<ushort> a = device.Allocate<ushort>(count), b = device.Allocate<ushort>(count);
        using DeviceMemory<ushort> d = device.Allocate<ushort>(count);
        using DeviceMemory<byte> workspace = device.Allocate<byte>(Math.Max(1, product.WorkspaceByteCount));
        device.Upload(a, (ReadOnlySpan<ushort>)values);
        device.Upload(b, (ReadOnlySpan<ushort>)values);
        double seconds = Median(device, stream, () => product.Run(stream, a.Pointer, b.Pointer, d.Pointer, default, workspace));
        ushort[] first = new ushort[1];
        device.Download(d, first.AsSpan());
        double expected = Enumerable.Range(0, Side).Sum(k => (double)Single(values[k]) * Single(values[k])), actual = Single(first[0]);
        if (!(Math.Abs(actual - expected) <= 0.01 * expected))
            throw new InvalidOperationException($"The product's first element is {actual}, not {expected}: not measured.");
        Print("matmul_bf16", seconds, $"\"side\":{Side},\"tflop_per_second\":{2e-12 * count * Side / seconds:F1}");

        static float Single(ushort bfloat16) => BitConverter.UInt32BitsToSingle((uint)bfloat16 << 16);
    }

    private static double Median(GpuDevice device, GpuStream stream, Action launch)
    {
        using GpuEvent start = device.CreateEvent(timing: true), end = device.CreateEvent(timing: true);
        double[] seconds = new double[Runs];
        for (int run = -WarmUp; run < Runs; run++)
        {
            stream.Record(start);
            launch();
            stream.Record(end);
            stream.Synchronize();
            if (run >= 0)
                seconds[run] = 1e-3 * end.ElapsedMilliseconds(start);
        }

        Array.Sort(seconds);
        return (seconds[(Runs - 1) / 2] + seconds[Runs / 2]) / 2;
    }

    private static void Print(string what, double seconds, FormattableString rest)
        => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{{\"ceiling\":\"{what}\",\"median_seconds\":{seconds:R},\"runs\":{Runs},{rest.ToString(CultureInfo.InvariantCulture)}}}"));
}
