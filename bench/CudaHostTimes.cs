using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using PixioCuda.Cuda;
using PixioCuda.Interop;

namespace PixioCuda.Bench;

/// <summary>What the host takes, whatever the device does: until an engine is ready, and around each run. bench/cuda-host.sh runs both on the
/// emulated driver, whose launches then do nothing; on a GPU the second is only right where the device is not what is waited for.</summary>
internal static class CudaHostTimes
{
    private const int Blocks = 31, RunsPerBlock = 500;

    private static readonly EncoderTaps Taps = new() { PoolerOutput = true };

    private static readonly string Tiny = Path.Combine(Repository.Root, "tests", "data", "tiny");

    /// <summary>Prints how long a fresh process takes until a first run has come back, the context and the weights aside.
    /// To be run in a process of its own, since what is compiled just in time counts.</summary>
    /// <param name="model">"random:PRESET".</param>
    public static int Start(string model)
    {
        // The driver's own start and the context are a fixed cost of CUDA: taken before, and held.
        using GpuDevice held = GpuDevice.Open("cuda");
        using GpuStream stream = held.CreateStream();
        long methods = JitInfo.GetCompiledMethodCount();
        TimeSpan compiling = JitInfo.GetCompilationTime();
        long start = Stopwatch.GetTimestamp();
        using PixioModel loaded = PixioModel.Load(model, new PixioModelOptions { Device = "cuda", CudaSessions = 1 });
        double load = Milliseconds(start, Stopwatch.GetTimestamp()), weights = loaded.CudaWeightTime!.Value.TotalMilliseconds;
        start = Stopwatch.GetTimestamp();
        EncoderPlan plan = loaded.Plan(new InputShape(1, loaded.Config.ImageSize), Taps);
        double planned = Milliseconds(start, Stopwatch.GetTimestamp());
        start = Stopwatch.GetTimestamp();
        loaded.Warmup(plan);
        double first = Milliseconds(start, Stopwatch.GetTimestamp());
        Write($"until ready {load - weights + planned + first:F1} ms: load {load - weights:F1}, plan with its kernels {planned:F1}, first run {first:F1}; ");
        Write($"weights, which do not count, {weights:F0} ms; in all of it the runtime compiled {JitInfo.GetCompiledMethodCount() - methods} methods ");
        Write($"in {(JitInfo.GetCompilationTime() - compiling).TotalMilliseconds:F1} ms");
        Console.WriteLine();
        return 0;
    }

    /// <summary>Prints what a run of the tiny model takes beside the driver's own calls.</summary>
    public static int Overhead()
    {
        using PixioModel model = PixioModel.Load(Tiny, new PixioModelOptions { Device = "cuda", CudaSessions = 1 });
        EncoderPlan plan = model.Plan(new InputShape(1, model.Config.ImageSize), Taps);
        float[] pixels = new float[plan.InputLength], outputs = new float[plan.OutputLength];
        using DriverAlone driver = new((CudaExecutable)plan.Executable);
        List<double> runs = [], calls = [];
        for (int block = -5; block < Blocks; block++)
        {
            double run = Microseconds(() => model.Run(pixels, plan, outputs)), call = Microseconds(driver.Run);
            // The first ones are compiled again while they run.
            if (block < 0)
                continue;
            runs.Add(run);
            calls.Add(call);
        }

        double[] differences = [.. runs.Zip(calls, (run, call) => run - call).Order()];
        Write($"a run {Median(runs):F1} us, of which the driver's own launch and wait {Median(calls):F1} us; ");
        Write($"the host's part {differences[Blocks / 2]:F1} us (from {differences[0]:F1} to {differences[^1]:F1} in {Blocks} blocks of {RunsPerBlock} runs)");
        Console.WriteLine();
        return 0;
    }

    private static double Microseconds(Action run)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < RunsPerBlock; i++)
            run();
        return 1e3 * Milliseconds(start, Stopwatch.GetTimestamp()) / RunsPerBlock;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static double Milliseconds(long start, long end) => Stopwatch.GetElapsedTime(start, end).TotalMilliseconds;

    private static void Write(FormattableString text) => Console.Write(text.ToString(CultureInfo.InvariantCulture));

    /// <summary>The same graph, launched and waited for by the driver's bare functions.</summary>
    private sealed class DriverAlone : IDisposable
    {
        private readonly GpuDevice _device = GpuDevice.Open("cuda");
        private readonly GpuStream _stream;
        private readonly DeviceMemory<byte> _arena, _pixels;
        private readonly PinnedMemory<byte> _input;
        private readonly PinnedMemory<float> _output;
        private readonly GpuGraphExec _graph;
        private readonly nint _graphValue, _streamValue;

        public DriverAlone(CudaExecutable executable)
        {
            _stream = _device.CreateStream();
            _arena = _device.Allocate<byte>(executable.ArenaByteCount);
            _pixels = _device.Allocate<byte>(executable.InputByteCount);
            _input = _device.AllocatePinned<byte>(executable.InputByteCount);
            _output = _device.AllocatePinned<float>(executable.OutputLength);
            using GpuGraph graph = _stream.Capture(() =>
            {
                _device.CopyAsync(_stream, _input, _pixels);
                foreach (CudaStep step in executable.Steps)
                    step.Launch(_stream, new CudaMemory(_pixels.Pointer, _arena.Pointer));
                foreach (CudaOutput output in executable.Outputs)
                    _device.CopyAsync(_stream, _arena.Pointer[output.ArenaOffset].As<float>(), _output, output.Offset, output.Length);
            });
            _graph = graph.Instantiate();
            _graphValue = _graph.Handle.DangerousGetHandle();
            _streamValue = _stream.Handle.DangerousGetHandle();
            _device.Context.MakeCurrent();
        }

        public void Run()
        {
            if (CudaDriverApi.cuGraphLaunch(_graphValue, _streamValue) != CUresult.CUDA_SUCCESS
                || CudaDriverApi.cuStreamSynchronize(_streamValue) != CUresult.CUDA_SUCCESS)
            {
                throw new InvalidOperationException("The driver refuses the graph: not measured.");
            }
        }

        public void Dispose()
        {
            _graph.Dispose();
            _output.Dispose();
            _input.Dispose();
            _pixels.Dispose();
            _arena.Dispose();
            _stream.Dispose();
            _device.Dispose();
        }
    }
}
