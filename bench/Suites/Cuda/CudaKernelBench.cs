using System.Globalization;
using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Bench.Suites.Cuda;

/// <summary>One kernel on a CUDA device at ViT-H's size, or, as a smoke test, at a size that the emulated driver runs in no time. The result
/// is checked before anything is measured; what the device itself takes is measured with its events.</summary>
public abstract class CudaKernelBench : ICountsWork, IRunsOnCuda, IDisposable
{
    private const int Launches = 20;
    private const int TimedRounds = 15;

    private readonly List<IDisposable> _memory = [];
    private GpuDevice? _device;
    private GpuStream? _stream;
    private Action<GpuStream>? _launch;

    /// <summary>Pictures.</summary>
    [ParamsSource(nameof(Batches))]
    public int Batch { get; set; }

    /// <summary>The batches that are measured.</summary>
    public static IEnumerable<int> Batches => BenchSize.IsSmoke ? [1] : [1, 64];

    Work ICountsWork.Work => new(WorkOf(DeviceLimits.Of(GpuDevice.List()[0])).Flops, WorkOf(DeviceLimits.Of(GpuDevice.List()[0])).DramBytes);

    private protected GpuDevice Device => _device ?? throw new InvalidOperationException("The device is opened by the setup.");

    /// <summary>Opens the device, checks one launch, and times some by events.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _device = GpuDevice.Open();
        _stream = _device.CreateStream();
        _launch = Prepare();
        _launch(_stream);
        _stream.Synchronize();
        Check();
        DeviceTimes.Record(this, Batch, MedianMicroseconds());
    }

    /// <summary>Twenty launches, and the wait for them.</summary>
    [Benchmark(OperationsPerInvoke = Launches)]
    public void Launch()
    {
        for (int i = 0; i < Launches; i++)
            _launch!(_stream!);
        _stream!.Synchronize();
    }

    /// <summary>Frees everything.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        foreach (IDisposable memory in _memory)
            memory.Dispose();
        _memory.Clear();
        _stream?.Dispose();
        _device?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes inputs and kernel; what it returns launches once.</summary>
    private protected abstract Action<GpuStream> Prepare();

    /// <summary>Throws when the result of a launch is wrong.</summary>
    private protected abstract void Check();

    /// <summary>What a launch does.</summary>
    private protected abstract KernelWork WorkOf(DeviceLimits device);

    /// <summary>Device memory that lives as long as the benchmark.</summary>
    private protected DeviceMemory<T> Allocate<T>(long count)
        where T : unmanaged
    {
        DeviceMemory<T> memory = Device.Allocate<T>(count);
        _memory.Add(memory);
        return memory;
    }

    /// <summary>Device memory with these elements.</summary>
    private protected DeviceMemory<T> Upload<T>(T[] values)
        where T : unmanaged
    {
        DeviceMemory<T> memory = Allocate<T>(values.Length);
        Device.Upload(memory, (ReadOnlySpan<T>)values);
        return memory;
    }

    /// <summary>Keeps something until the benchmark ends.</summary>
    private protected T Keep<T>(T resource)
        where T : IDisposable
    {
        _memory.Add(resource);
        return resource;
    }

    private protected T[] Download<T>(DeviceMemory<T> memory)
        where T : unmanaged
    {
        T[] values = new T[memory.Count];
        Device.Download(memory, values.AsSpan());
        return values;
    }

    /// <summary>Values between -1 and 1 that bfloat16 holds exactly.</summary>
    private protected static float[] Values(int count, int seed)
    {
        Random random = new(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = random.Next(-64, 65) / 64f;
        return values;
    }

    /// <summary>As bfloat16; nothing is lost of what <see cref="Values"/> makes.</summary>
    private protected static ushort[] BFloat16(float[] values)
        => Array.ConvertAll(values, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));

    private protected static float Single(ushort bfloat16) => BitConverter.UInt32BitsToSingle((uint)bfloat16 << 16);

    /// <summary>Refuses to measure what is wrong.</summary>
    private protected static void Require(double actual, double expected, double tolerance, string what)
        => StepBench.Require(actual, expected, tolerance, what);

    private double MedianMicroseconds()
    {
        using GpuEvent start = Device.CreateEvent(timing: true), end = Device.CreateEvent(timing: true);
        double[] rounds = new double[TimedRounds];
        for (int round = 0; round < TimedRounds; round++)
        {
            _stream!.Record(start);
            for (int i = 0; i < Launches; i++)
                _launch!(_stream);
            _stream.Record(end);
            _stream.Synchronize();
            rounds[round] = 1e3 * end.ElapsedMilliseconds(start) / Launches;
        }

        Array.Sort(rounds);
        return rounds[TimedRounds / 2];
    }

    /// <summary>What a parameter is called in the table.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{GetType().Name} of {Batch}");
}
