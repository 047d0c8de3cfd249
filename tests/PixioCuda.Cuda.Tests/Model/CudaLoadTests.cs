using PixioCuda.Interop;
using PixioCuda.Tests;
using PixioCuda.Tests.Model;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Loading a model onto a device: what is left and what is said when a call of the driver or a read of a file fails, when a file
/// ends or changes on the way, and when somebody stops it.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class CudaLoadTests : IDisposable
{
    // Small, so that loading it hundreds of times is cheap; every kind of weight and conversion is there, and LayerNorms that weights take
    // in.
    private static readonly PixioConfig Config = new()
    {
        HiddenSize = 64,
        HiddenLayers = 2,
        AttentionHeads = 2,
        ImageSize = 32,
        OutIndices = [2],
    };

    private static readonly PixioModelOptions Options = new() { Device = "cuda", Precision = PixioPrecision.BF16 };

    private readonly string _folder = Directory.CreateTempSubdirectory("pixio-load-").FullName;

    public CudaLoadTests()
    {
        SyntheticCheckpoint.Write(_folder, "random:small@7", Config, 7, DType.F32, shardBytes: 160_000, overwrite: true);
        Assert.True(Directory.GetFiles(_folder, "model-*.safetensors").Length >= 2);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData((int)CUresult.CUDA_ERROR_OUT_OF_MEMORY)]
    [InlineData((int)CUresult.CUDA_ERROR_LAUNCH_FAILED)]
    public void Every_call_of_a_load_may_fail(int result)
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        float[] expected;
        ulong calls;
        using (Load()) { }
        Emulator.FailProcessAt(0, CUresult.CUDA_SUCCESS);
        using (PixioModel model = Load())
        {
            calls = Emulator.ProcessCallCount;
            expected = Run(model);
        }

        Assert.InRange(calls, 100u, 1000u);
        HashSet<string> refused = [];
        for (ulong n = 1; n <= calls; n++)
        {
            Emulator.FailProcessAt(n, (CUresult)result);
            PixioModel? model = null;
            Exception? exception = Record.Exception(() => model = Load());
            string function = Emulator.ProcessFailedFunction;
            Emulator.FailProcessAt(0, CUresult.CUDA_SUCCESS);
            if (exception is not null)
                refused.Add(function);
            Assert.True(exception is null or PixioException, $"call {n}, {function}: {exception}");
            Assert.True(exception is null || exception.Message.Contains(function, StringComparison.Ordinal), $"call {n}, {function}: {exception}");
            // A failure on the way to a release is none of the load: then the weights are there.
            if (model is not null && result == (int)CUresult.CUDA_ERROR_OUT_OF_MEMORY)
                Assert.Equal(expected, Run(model));
            model?.Dispose();
            Assert.True(none == Emulator.Live(), $"After call {n}, {function}, there are left {Emulator.Live()}.");
            // Only a wait that itself failed, or cannot be had in a context that ended, lets memory go that work still uses.
            string violations = Emulator.TakeViolations();
            bool isWait = function is "cuStreamSynchronize" or "cuCtxSetCurrent";
            Assert.True(violations.Length == 0 || isWait || result == (int)CUresult.CUDA_ERROR_LAUNCH_FAILED, $"call {n}, {function}: {violations}");
        }

        Assert.Superset(new HashSet<string>(StringComparer.Ordinal)
        {
            "cuDeviceGetCount", "cuDevicePrimaryCtxRetain", "cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate",
            "cuModuleLoadDataEx", "cuLaunchKernelEx", "cuMemcpyHtoDAsync_v2", "cuEventRecord", "cuEventSynchronize", "cuStreamSynchronize",
        }, refused);
    }

    [Fact]
    public void What_cublasLt_refuses_is_said_and_leaves_nothing()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        ulong calls = 0;
        LoadAndRun();
        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        LoadAndRun();
        Assert.InRange(calls, 100u, 2000u);
        HashSet<string> refused = [];
        for (ulong n = 1; n <= calls; n++)
        {
            Emulator.FailAt(n, CUresult.CUDA_ERROR_OUT_OF_MEMORY);
            Exception? exception = Record.Exception(LoadAndRun);
            string function = Emulator.FailedFunction;
            Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
            Assert.True(exception is null or PixioException, $"call {n}, {function}: {exception}");
            if (exception is not null)
                refused.Add(function);
            Assert.True(none == Emulator.Live(), $"After call {n}, {function}, there are left {Emulator.Live()}.");
        }

        _ = Emulator.TakeViolations();
        Assert.Superset(new HashSet<string>(StringComparer.Ordinal)
        {
            "cublasLtCreate", "cublasLtMatmulDescCreate", "cublasLtMatmulDescSetAttribute", "cublasLtMatrixLayoutCreate",
            "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmul", "cuGraphLaunch",
        }, refused);

        void LoadAndRun()
        {
            using ITensorSource source = Checkpoint.Open(_folder);
            using PixioModel model = PixioModel.Load(
                new OpenedModel(Config, source, ProcessorConfigPath: null), Options with { Gemm = GemmProvider.CublasLt });
            _ = Run(model);
            calls = Emulator.CallCount;
        }
    }

    [Fact]
    public void Every_read_of_a_load_may_fail()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        int reads = 0;
        using (Load(_ => Interlocked.Increment(ref reads))) { }
        Assert.InRange(reads, 20, 200);
        for (int n = 1; n <= reads; n++)
        {
            IOException broken = new($"read {n} failed");
            IOException thrown = Assert.Throws<IOException>(() => Load(number =>
            {
                if (number == n)
                    throw broken;
            }));
            Assert.Same(broken, thrown);
            Assert.True(none == Emulator.Live(), $"After read {n} there are left {Emulator.Live()}.");
        }

        Assert.Equal("", Emulator.TakeViolations());
        using PixioModel model = Load();
        Assert.NotEmpty(Run(model));
    }

    [Fact]
    public void A_load_that_is_cancelled_at_any_read_leaves_nothing()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        int reads = 0;
        using (Load(_ => Interlocked.Increment(ref reads))) { }
        int cancelled = 0;
        for (int n = 1; n <= reads; n++)
        {
            using CancellationTokenSource stop = new();
            Exception? exception = Record.Exception(() => Load(
                number =>
                {
                    if (number == n)
                        stop.Cancel();
                },
                stop.Token).Dispose());
            // Behind the last look at the token the load is done.
            Assert.True(exception is null or OperationCanceledException, $"read {n}: {exception}");
            cancelled += exception is null ? 0 : 1;
            Assert.True(none == Emulator.Live(), $"After read {n} there are left {Emulator.Live()}.");
        }

        Assert.InRange(cancelled, reads - 8, reads);
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Theory]
    [InlineData(true, "ends before byte")]
    [InlineData(false, "was written to while it was read")]
    public void A_file_that_is_cut_short_or_changes_on_the_way_is_refused(bool truncate, string sentence)
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        string shard = Directory.GetFiles(_folder, "model-*.safetensors").Order(StringComparer.Ordinal).Last();
        ModelFormatException exception = Assert.Throws<ModelFormatException>(() => Load(number =>
        {
            if (number != 5)
                return;
            using FileStream file = new(shard, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            if (truncate)
                file.SetLength(file.Length / 4);
            else
                file.SetLength(file.Length + 1);
        }));
        Assert.Contains(sentence, exception.Message, StringComparison.Ordinal);
        Assert.Contains(shard, exception.Message, StringComparison.Ordinal);
        Assert.Equal(none, Emulator.Live());
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public void Progress_comes_to_all_of_the_weights()
    {
        Emulator.Require();
        List<LoadProgress> reports = [];
        using PixioModel model = PixioModel.Load(_folder, Options, new Collected(reports), TestContext.Current.CancellationToken);
        Assert.InRange(reports.Count, 10, 1000);
        Assert.All(reports, report => Assert.Equal(model.WeightByteCount, report.TotalByteCount));
        Assert.All(reports, report => Assert.InRange(report.LoadedByteCount, 1, report.TotalByteCount));
        Assert.Contains(reports, report => report.LoadedByteCount == report.TotalByteCount);
    }

    [Fact]
    public void What_progress_throws_ends_the_load()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        Assert.Throws<InvalidOperationException>(() => PixioModel.Load(_folder, Options, new Throwing(), TestContext.Current.CancellationToken));
        Assert.Equal(none, Emulator.Live());
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public void Shards_give_the_weights_of_the_whole_file()
    {
        Emulator.Require();
        GoldenTensor pixels = Goldens.Folder("tiny").PixelValues("wide");
        EncoderTaps taps = new() { LastHiddenState = true };
        using PixioModel whole = GoldenModels.Load("tiny", Options);
        using PixioModel shards = PixioModel.Load(TestData.Path("tiny-sharded"), Options, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(GoldenModels.Run(whole, pixels, taps).Values, GoldenModels.Run(shards, pixels, taps).Values);
    }

    [Fact]
    public void Shards_are_read_side_by_side()
    {
        WeightChunk[] chunks = [.. "aaaabbc".Select((file, index) => new WeightChunk(new TensorInfo($"{file}", DType.F32, [100]), index, 1, default, default))];
        IReadOnlyList<WeightChunk> mixed = WeightRing.SideBySide(chunks, chunk => chunk.Tensor.Name);
        Assert.Equal([0L, 4, 6, 1, 5, 2, 3], mixed.Select(chunk => chunk.FirstElement));
        Assert.Same(chunks, WeightRing.SideBySide(chunks, _ => "one"));
    }

    private static float[] Run(PixioModel model)
    {
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, 32), new EncoderTaps { PoolerOutput = true });
        float[] pixels = new float[3 * 32 * 32];
        for (int i = 0; i < pixels.Length; i++)
            pixels[i] = MathF.Sin(i);
        model.Run(pixels, outputs);
        return outputs.Values.ToArray();
    }

    /// <summary>Loads the model; before each read of its files, its number from 1 on is told.</summary>
    private PixioModel Load(Action<int>? beforeRead = null, CancellationToken cancellationToken = default)
    {
        using WatchedSource source = new(Checkpoint.Open(_folder), beforeRead);
        return PixioModel.Load(new OpenedModel(Config, source, ProcessorConfigPath: null), Options, cancellationToken);
    }

    private sealed class WatchedSource(ITensorSource source, Action<int>? beforeRead) : ITensorSource
    {
        private int _reads;

        public string Description => source.Description;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => source.Tensors;

        public bool IsRandom => source.IsRandom;

        public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
        {
            beforeRead?.Invoke(Interlocked.Increment(ref _reads));
            source.ReadBytes(tensor, byteOffset, destination);
        }

        public string FileOf(TensorInfo tensor) => source.FileOf(tensor);

        public void ThrowIfChanged() => source.ThrowIfChanged();

        public void Dispose() => source.Dispose();
    }

    private sealed class Collected(List<LoadProgress> reports) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value)
        {
            lock (reports)
                reports.Add(value);
        }
    }

    private sealed class Throwing : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => throw new InvalidOperationException("progress");
    }
}
