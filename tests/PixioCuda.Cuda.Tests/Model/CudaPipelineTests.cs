using System.Globalization;
using PixioCuda.Imaging;
using PixioCuda.Interop;
using PixioCuda.Pipeline;
using PixioCuda.Skia;
using PixioCuda.Tests.Imaging;
using PixioCuda.Tests.Pipeline;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Pipelines whose pictures are preprocessed on the device give what those give that leave it to the CPU, bit for bit, whatever
/// the pictures, the batches and what goes wrong.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class CudaPipelineTests : IDisposable
{
    private const long Megabyte = 1 << 20;

    private static readonly EncoderTaps Pooler = EncoderTaps.For(EmbeddingKind.Pooler);

    /// <summary>Every so manieth call fails, so that the tests take seconds; PIXIO_FAULT_STRIDE=1 makes it each.</summary>
    private static readonly ulong Stride =
        ulong.Parse(Environment.GetEnvironmentVariable("PIXIO_FAULT_STRIDE") ?? "13", CultureInfo.InvariantCulture);

    // Small, so that hundreds of runs take seconds.
    private static readonly PixioConfig Config = new()
    {
        HiddenSize = 32,
        HiddenLayers = 1,
        AttentionHeads = 2,
        ImageSize = 32,
        OutIndices = [1],
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("pixio-pipeline-").FullName;

    public CudaPipelineTests() => SyntheticCheckpoint.Write(_folder, "random:small@7", Config, 7, DType.F32, shardBytes: 1 << 20, overwrite: true);

    private static CancellationToken TestEnd => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(PixioPrecision.BF16, 7, 2)]
    [InlineData(PixioPrecision.FP32, 1, 3)]
    public async Task Reference_pictures_and_bad_ones_between_them_come_out_as_with_the_CPU(PixioPrecision precision, int batch, int concurrent)
    {
        Emulator.Require();
        // Grey, alpha, palettes, CMYK, turned ones, 1 x 1 to 2048 x 1536 pixels.
        List<PictureEntry> entries = [PictureEntry.FromBytes("nothing", ReadOnlyMemory<byte>.Empty)];
        foreach (string name in GoldenImage.Names)
        {
            byte[] encoded = GoldenImage.Get(name).Encoded;
            entries.Add(PictureEntry.FromBytes(name, encoded));
            if (entries.Count % 5 == 0)
                entries.Add(PictureEntry.FromBytes($"half of {name}", encoded.AsMemory(0, encoded.Length / 2)));
            if (entries.Count % 7 == 0)
                entries.Add(PictureEntry.Failed($"missing {name}", new IOException("missing")));
        }

        using PixioModel model = Load(new PixioModelOptions { Precision = precision, Decoder = new SkiaImageDecoder(), CudaSessions = concurrent });
        PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = batch, ConcurrentBatches = concurrent, HashContents = true };
        List<Result> expected = await RunAsync(model, entries, options with { PreprocessOn = PreprocessOn.Cpu });
        List<Result> actual = await RunAsync(model, entries, options with { PreprocessOn = PreprocessOn.Gpu });
        Assert.Equal(GoldenImage.Names.Count, expected.Count(result => result.Failure is null));
        AssertSame(expected, actual);
    }

    [Fact]
    public async Task Pictures_of_different_sizes_run_apart_and_have_the_same_bits()
    {
        Emulator.Require();
        using PixioModel model = Load();
        File.WriteAllText(Path.Combine(_folder, ImageRecipe.ConfigFileName), """{ "do_resize": false, "do_center_crop": false }""");
        using PixioModel ofAnySize = Load();
        PictureEntry[] entries = [.. new[] { 0, 0, 1, 2, 1, 1, 0, 2, 0, 3, 0 }.Select((kind, index) => PictureEntry.FromBytes(
            $"{index}", kind switch { 0 => Bitmap(48, 32, index), 1 => Bitmap(64, 64, index), 2 => Bitmap(16, 96, index), _ => new byte[9] }))];
        foreach (PixioModel each in new[] { model, ofAnySize })
        {
            PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = 2 };
            List<Result> expected = await RunAsync(each, entries, options with { PreprocessOn = PreprocessOn.Cpu });
            Assert.Equal(1, expected.Count(result => result.Failure is not null));
            AssertSame(expected, await RunAsync(each, entries, options with { PreprocessOn = PreprocessOn.Gpu }));
        }
    }

    [Fact]
    public async Task What_is_beyond_the_limit_is_left_to_the_CPU_and_memory_stays_within_it()
    {
        Emulator.RequireEmulation();
        const long Limit = 200_000;
        Random random = new(3);
        PictureEntry[] entries = [.. Enumerable.Range(0, 30).Select(index => PictureEntry.FromBytes(
            $"{index}", index % 9 == 4 ? Bitmap(400, 300, index) : Bitmap(4 * random.Next(1, 40), random.Next(1, 150), index)))];
        using PixioModel model = Load();
        PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = 3, DeviceByteLimit = Limit };
        List<Result> expected = await RunAsync(model, entries, options with { PreprocessOn = PreprocessOn.Cpu });
        using PicturePipeline pipeline = PicturePipeline.Start(entries, model, options with { PreprocessOn = PreprocessOn.Gpu }, TestEnd);
        AssertSame(expected, await ListAsync(pipeline));
        (long device, long pinned) = pipeline.PreprocessorByteCounts;
        Assert.InRange(device, 1, Limit);
        Assert.InRange(pinned, 1, 2 * Limit);
        // What the CPU did is counted as its own.
        Assert.All(pipeline.Statistics.Stages, share => Assert.InRange(share.Utilisation, 0, 1));
        Assert.Equal(Enum.GetValues<PipelineStage>(), pipeline.Statistics.Stages.Select(share => share.Stage));
        Assert.Equal(1, pipeline.Statistics.Stages.Single(share => share.Stage == PipelineStage.GpuPreprocess).Workers);
        Assert.All(
            pipeline.Statistics.Stages.Where(share => share.Stage is PipelineStage.Preprocess or PipelineStage.GpuPreprocess),
            share => Assert.True(share.Busy > TimeSpan.Zero, $"{share.Stage} was not busy."));
    }

    [Fact]
    public async Task Memory_does_not_grow_with_the_number_of_pictures()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load();
        PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = 4, PreprocessOn = PreprocessOn.Gpu };
        Emulator.LiveHandles before = Emulator.Live();
        List<Emulator.LiveHandles> live = [];
        using (PicturePipeline pipeline = PicturePipeline.Start(
            Enumerable.Range(0, 200).Select(index => PictureEntry.FromBytes($"{index}", Bitmap(8 * (1 + (index % 7)), 8 * (1 + (index % 5)), index))),
            model, options, TestEnd))
        {
            int count = 0;
            await foreach (PictureResult result in pipeline.ResultsAsync())
            {
                Assert.Null(result.Failure);
                if (++count % 50 == 0)
                    live.Add(Emulator.Live());
            }

            Assert.Equal(200, count);
            Assert.Equal((Megabyte, 2 * Megabyte), pipeline.PreprocessorByteCounts);
        }

        // A batch's pixels for each of two concurrent batches and three, the scratch, and the model's own.
        Assert.All(live, each => Assert.InRange(each.DeviceAllocations, before.DeviceAllocations + 1, before.DeviceAllocations + 5 + 1 + 4));
        Assert.All(live, each => Assert.InRange(each.PinnedAllocations, before.PinnedAllocations + 2, before.PinnedAllocations + 2 + 4));
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public async Task Two_pipelines_on_one_model_do_not_disturb_each_other()
    {
        Emulator.Require();
        using PixioModel model = Load(new PixioModelOptions { CudaSessions = 2 });
        PictureEntry[][] entries =
        [
            [.. Enumerable.Range(0, 24).Select(index => PictureEntry.FromBytes($"{index}", Bitmap(4 + (4 * (index % 9)), 5 + index, index)))],
            [.. Enumerable.Range(0, 24).Select(index => PictureEntry.FromBytes($"{index}", Bitmap(100 - (4 * (index % 9)), 70 - index, 100 + index)))],
        ];
        PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = 3 };
        List<Result>[] expected = await Task.WhenAll(entries.Select(each => RunAsync(model, each, options with { PreprocessOn = PreprocessOn.Cpu })));
        for (int round = 0; round < 4; round++)
        {
            List<Result>[] actual = await Task.WhenAll(entries.Select(each =>
                Task.Run(() => RunAsync(model, each, options with { PreprocessOn = PreprocessOn.Gpu }), TestEnd)));
            AssertSame(expected[0], actual[0]);
            AssertSame(expected[1], actual[1]);
        }
    }

    [Fact]
    public async Task Cancelling_at_any_point_leaves_nothing()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load();
        model.Warmup(new InputShape(3, 32), Pooler, cancellationToken: TestEnd);
        PictureEntry[] entries = [.. Enumerable.Range(0, 500).Select(index => PictureEntry.FromBytes($"{index}", Bitmap(20, 20, index)))];
        PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = 3, PreprocessOn = PreprocessOn.Gpu };
        // The memory of all sessions, the graphs for runs on the device.
        _ = await RunAsync(model, entries[..30], options);
        Emulator.LiveHandles before = Emulator.Live();
        foreach (int stopAfter in new[] { 0, 1, 2, 3, 5, 8, 11 })
        {
            using CancellationTokenSource stop = new();
            int taken = 0;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                if (stopAfter == 0)
                    stop.CancelAfter(1);
                await foreach (PictureResult result in PicturePipeline.RunAsync(entries, model, options, stop.Token))
                {
                    Assert.Equal($"{taken}", result.Entry.Id);
                    if (++taken == stopAfter)
                        await stop.CancelAsync();
                }
            });
            AssertLiveAs(before, $"after {stopAfter} pictures");
        }

        Assert.Equal("", Emulator.TakeViolations());
    }

    [Theory]
    [InlineData((int)CUresult.CUDA_ERROR_OUT_OF_MEMORY)]
    [InlineData(999)]
    public async Task A_call_that_fails_ends_it_with_the_librarys_exception_and_leaves_nothing(int result)
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        PictureEntry[] entries = [.. Enumerable.Range(0, 7).Select(index => PictureEntry.FromBytes($"{index}", Bitmap(20, 30 + (600 * (index % 2)), index)))];
        PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = 2, PreprocessOn = PreprocessOn.Gpu, DeviceByteLimit = 30_000 };
        List<Result> expected;
        ulong calls;
        using (PixioModel model = Load())
        {
            Emulator.FailProcessAt(0, CUresult.CUDA_SUCCESS);
            expected = await RunAsync(model, entries, options);
            calls = Emulator.ProcessCallCount;
        }

        Assert.InRange(calls, 100u, 2000u);
        HashSet<string> refused = [];
        for (ulong n = 1; n <= calls; n += Stride)
        {
            using (PixioModel model = Load())
            {
                Emulator.FailProcessAt(n, (CUresult)result);
                Exception? exception = await Record.ExceptionAsync(() => RunAsync(model, entries, options));
                string function = Emulator.ProcessFailedFunction;
                Emulator.FailProcessAt(0, CUresult.CUDA_SUCCESS);
                Assert.True(exception is null or PixioException, $"call {n}, {function}: {exception}");
                // A message of too little memory says what was needed; what the driver said stands behind it.
                Assert.True(
                    exception is null || exception.InnerException!.Message.Contains(function, StringComparison.Ordinal), $"call {n}, {function}: {exception}");
                if (exception is not null)
                    refused.Add(function);
                // Memory may be there the next time.
                if (result == (int)CUresult.CUDA_ERROR_OUT_OF_MEMORY)
                    AssertSame(expected, await RunAsync(model, entries, options));
            }

            AssertLiveAs(none, $"after call {n}");
        }

        // Work that waits when its memory is freed is what a wait that failed leads to.
        _ = Emulator.TakeViolations();
        Assert.InRange(refused.Count, 4, 60);
    }

    [Fact]
    public async Task A_device_without_memory_says_so_and_what_to_do()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load();
        PictureEntry[] entries = [PictureEntry.FromBytes("0", Bitmap(1200, 900, 0))];
        PicturePipelineOptions options = new() { Taps = Pooler, PreprocessOn = PreprocessOn.Gpu };
        List<Result> expected = await RunAsync(model, entries, options with { PreprocessOn = PreprocessOn.Cpu });
        long free = model.FreeDeviceByteCount!.Value;
        ulong limit = Emulator.SetMemoryLimit(0, ulong.MaxValue >> 1);
        try
        {
            Emulator.SetMemoryLimit(0, limit - (ulong)(free - Megabyte));
            DeviceMemoryException exception = await Assert.ThrowsAsync<DeviceMemoryException>(() => RunAsync(model, entries, options));
            Assert.Contains("--preprocess cpu", exception.Message, StringComparison.Ordinal);
            Assert.InRange(exception.NeededByteCount, 3 * 1200 * 900, 4 * 1200 * 900);

            // Who leaves the choice to the library gets the CPU, and is told why.
            using PicturePipeline pipeline = PicturePipeline.Start(entries, model, options with { PreprocessOn = PreprocessOn.Auto }, TestEnd);
            AssertSame(expected, await ListAsync(pipeline));
            Assert.StartsWith("on the CPU, because the GPU has ", pipeline.Preprocessing, StringComparison.Ordinal);
        }
        finally
        {
            Emulator.SetMemoryLimit(0, limit);
        }

        AssertSame(expected, await RunAsync(model, entries, options));
    }

    [Fact]
    public async Task The_choice_is_told_with_its_reason()
    {
        Emulator.Require();
        using PixioModel cuda = Load(), cpu = PixioModel.Load(_folder, new PixioModelOptions { Device = "cpu" }, cancellationToken: TestEnd);
        PictureEntry[] entries = [PictureEntry.FromBytes("0", Bitmap(12, 9, 0))];
        foreach ((PixioModel model, PreprocessOn asked, string told) in new[]
        {
            (cuda, PreprocessOn.Auto, "on the GPU, because the model is there and has memory to spare"),
            (cuda, PreprocessOn.Cpu, "on the CPU, as asked"),
            (cuda, PreprocessOn.Gpu, "on the GPU, as asked"),
            (cpu, PreprocessOn.Auto, "on the CPU, because the model is there"),
            (cpu, PreprocessOn.Cpu, "on the CPU, as asked"),
        })
        {
            using PicturePipeline pipeline = PicturePipeline.Start(
                entries, model, new PicturePipelineOptions { Taps = Pooler, PreprocessOn = asked }, TestEnd);
            Assert.Null(Assert.Single(await ListAsync(pipeline)).Failure);
            Assert.Equal(told, pipeline.Preprocessing);
            Assert.Equal(
                told.StartsWith("on the GPU", StringComparison.Ordinal),
                pipeline.Statistics.Stages.Any(share => share.Stage == PipelineStage.GpuPreprocess));
        }

        PicturePipelineOptions impossible = new() { Taps = Pooler, PreprocessOn = PreprocessOn.Gpu };
        Assert.Contains("only where the model is on it", Assert.Throws<ArgumentException>(
            () => PicturePipeline.Start(entries, cpu, impossible, TestEnd)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(
            () => PicturePipeline.Start(entries, cuda, impossible with { PreprocessOn = (PreprocessOn)7 }, TestEnd));
        // A model that is still being loaded is found out later.
        using PicturePipeline late = PicturePipeline.Start(entries, Task.FromResult(cpu), new PixioModelOptions(), impossible, tapsFor: null, TestEnd);
        await Assert.ThrowsAsync<ArgumentException>(() => ListAsync(late));
    }

    private PixioModel Load(PixioModelOptions? options = null) =>
        PixioModel.Load(_folder, (options ?? new PixioModelOptions()) with { Device = "cuda" }, cancellationToken: TestEnd);

    private static async Task<List<Result>> RunAsync(PixioModel model, IEnumerable<PictureEntry> entries, PicturePipelineOptions options)
    {
        using PicturePipeline pipeline = PicturePipeline.Start(entries, model, options, TestEnd);
        return await ListAsync(pipeline);
    }

    private static async Task<List<Result>> ListAsync(PicturePipeline pipeline)
    {
        List<Result> results = [];
        await foreach (PictureResult result in pipeline.ResultsAsync())
        {
            results.Add(new Result(
                result.Entry.Id, result.Failure?.Message, [.. result.Features.SelectMany(feature => feature.Values.ToArray())],
                Convert.ToHexString(result.ContentHash.Span)));
        }

        return results;
    }

    private static void AssertSame(List<Result> expected, List<Result> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach ((Result one, Result other) in expected.Zip(actual))
        {
            Assert.Equal((one.Id, one.Failure, one.ContentHash), (other.Id, other.Failure, other.ContentHash));
            Assert.True(
                one.Features.AsSpan().SequenceEqual(other.Features), $"The features of {one.Id} differ from those of the CPU's pixel values.");
        }
    }

    /// <summary>What a pipeline leaves to a thread that reads is gone a moment later.</summary>
    private static void AssertLiveAs(Emulator.LiveHandles expected, string when) =>
        Assert.True(expected == Emulator.Live(), $"There are left {Emulator.Live()} {when}, instead of {expected}.");

    /// <summary>A picture of noise.</summary>
    private static byte[] Bitmap(int width, int height, int seed)
    {
        byte[] file = MinimalBitmap.Create(width, height);
        new Random(seed).NextBytes(file.AsSpan(MinimalBitmap.HeaderByteCount));
        return file;
    }

    private sealed record Result(string Id, string? Failure, float[] Features, string ContentHash);
}
