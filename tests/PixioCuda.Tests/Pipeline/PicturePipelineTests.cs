using System.Security.Cryptography;
using PixioCuda.Imaging;
using PixioCuda.Pipeline;
using PixioCuda.Tests.Cli;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Pipeline;

public sealed class PicturePipelineTests : IDisposable
{
    private static readonly EncoderTaps Pooler = EncoderTaps.For(EmbeddingKind.Pooler);

    private readonly PixioModel _model = PixioModel.Load(CliData.Model, new PixioModelOptions { Decoder = new NumberDecoder() });

    private static CancellationToken TestEnd => TestContext.Current.CancellationToken;

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(4, 3, 1)]
    [InlineData(7, 4, 3)]
    public async Task Results_come_in_order_with_the_bits_that_a_picture_has_alone(int batch, int workers, int concurrent)
    {
        Dictionary<int, float[]> alone = Enumerable.Range(0, 5).ToDictionary(
            number => number, number => _model.Embed(NumberDecoder.Image(number), cancellationToken: TestEnd));
        PicturePipelineOptions options = new()
        {
            Taps = Pooler,
            BatchSize = batch,
            DecodeWorkers = workers,
            ConcurrentBatches = concurrent,
            HashContents = true,
        };
        int next = 0;
        await foreach (PictureResult result in PicturePipeline.RunAsync(Numbers(200, slow: true), _model, options, TestEnd))
        {
            Assert.Equal($"{next}", result.Entry.Id);
            if (next % 17 == 3)
            {
                Assert.IsType<ImageFormatException>(result.Failure);
                Assert.Empty(result.Features);
            }
            else
            {
                Assert.Null(result.Failure);
                PictureFeature feature = Assert.Single(result.Features);
                Assert.Equal("pooler_output", feature.Name);
                Assert.Equal([64], feature.Shape);
                Assert.Equal(alone[next % 5], feature.Values.ToArray());
            }

            Assert.Equal(SHA256.HashData(NumberDecoder.Encode(next, slow: true)), result.ContentHash.ToArray());
            next++;
        }

        Assert.Equal(200, next);
    }

    [Fact]
    public async Task Pictures_of_different_sizes_run_apart_and_stay_in_order()
    {
        using TemporaryFolder folder = new();
        foreach (string name in new[] { "config.json", "model.safetensors" })
            File.Copy(Path.Combine(CliData.Model, name), folder.File(name));
        folder.Write("preprocessor_config.json", """{ "do_resize": false, "do_center_crop": false }"""u8);
        using PixioModel model = PixioModel.Load(folder.Root);
        byte[][] pictures = [MinimalBitmap.Create(48, 32), MinimalBitmap.Create(64, 64)];
        float[][] alone = [.. pictures.Select((picture, index) => model.Embed(model.Decode(picture, $"{index}"),
            cancellationToken: TestEnd))];
        int[] order = [0, 0, 1, 1, 1, 0, 1, 0, 0, 0];
        int next = 0;
        await foreach (PictureResult result in PicturePipeline.RunAsync(
            order.Select((size, index) => PictureEntry.FromBytes($"{index}", pictures[size])),
            model, new PicturePipelineOptions { Taps = Pooler, BatchSize = 2 }, TestEnd))
        {
            Assert.Null(result.Failure);
            Assert.Equal($"{next}", result.Entry.Id);
            Assert.Equal(alone[order[next++]], Assert.Single(result.Features).Values.ToArray());
        }

        Assert.Equal(order.Length, next);
    }

    [Fact]
    public async Task Failures_of_every_kind_are_results_and_are_told_at_once()
    {
        PictureEntry[] entries =
        [
            PictureEntry.Failed("known", new IOException("known before")),
            PictureEntry.FromFile("/no/such/picture.png"),
            PictureEntry.FromReader("thrown", _ => throw new InvalidOperationException("thrown by the caller's reader")),
            PictureEntry.FromBytes("empty", ReadOnlyMemory<byte>.Empty),
            PictureEntry.Mark("mark"),
            PictureEntry.FromBytes("good", NumberDecoder.Encode(1)),
        ];
        using PicturePipeline pipeline = PicturePipeline.Start(entries, _model, new PicturePipelineOptions { Taps = Pooler }, TestEnd);
        List<PictureResult> results = await pipeline.ResultsAsync().ToListAsync(TestEnd);
        Assert.Equal(["known before", "There is no picture '/no/such/picture.png'.", "thrown by the caller's reader", "not a number",
            null, null],
            results.Select(result => result.Failure?.Message));
        Assert.Equal("mark", results[4].Entry.Tag);
        Assert.True(pipeline.AnyFailure.IsCancellationRequested);
        Assert.Equal((1, 4), (pipeline.Statistics.Succeeded, pipeline.Statistics.Failed));
    }

    [Fact]
    public async Task A_consumer_that_stops_holds_up_the_source()
    {
        int enumerated = 0;
        PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = 2, PicturesAhead = 5, DecodeWorkers = 2 };
        using PicturePipeline pipeline = PicturePipeline.Start(
            Numbers(10_000).Select(entry =>
            {
                Interlocked.Increment(ref enumerated);
                return entry;
            }),
            _model, options, TestEnd);
        await using IAsyncEnumerator<PictureResult> results = pipeline.ResultsAsync().GetAsyncEnumerator(TestEnd);
        Assert.True(await results.MoveNextAsync());
        // Whatever has room goes on until everything is full; then nothing moves.
        // Where the machine has no time for this test, nothing may move for a while before that too.
        int before = 0;
        for (int look = 0; look < 300; look++)
        {
            int now = Volatile.Read(ref enumerated);
            if (now == before && now >= options.PicturesAhead)
                break;
            before = now;
            await Task.Delay(200, TestEnd);
        }

        // Ahead 5, one in the source's and one in the batcher's hand, and 2 each in the consumer's batch, two in the queue, and two more
        // with the batcher.
        Assert.InRange(before, 5, 5 + 2 + (5 * 2));
    }

    [Fact]
    public async Task Memory_before_the_engine_stays_within_the_limit_and_one_picture()
    {
        // Every picture claims 1000 x 1000 pixels, 7 MB decoded, so that no two of them fit.
        PicturePipelineOptions options = new() { Taps = Pooler, DecodeWorkers = 4, PicturesAhead = 16, MemoryLimit = 10_000_000 };
        using PixioModel model = PixioModel.Load(CliData.Model, new PixioModelOptions());
        byte[] bitmap = MinimalBitmap.Create(1000, 1000);
        using PicturePipeline pipeline = PicturePipeline.Start(
            Enumerable.Range(0, 40).Select(number => PictureEntry.FromBytes($"{number}", bitmap)), model, options, TestEnd);
        List<PictureResult> results = await pipeline.ResultsAsync().ToListAsync(TestEnd);
        Assert.All(results, result => Assert.Null(result.Failure));
        Assert.Equal(40, results.Count);
        Assert.InRange(pipeline.PeakPictureBytes, 7_000_000, 10_000_000 + 7_100_000);
    }

    [Fact]
    public async Task Cancelling_at_any_point_ends_it_and_keeps_what_was_handed_out()
    {
        for (int stopAfter = 0; stopAfter < 12; stopAfter++)
        {
            using CancellationTokenSource stop = new();
            int taken = 0;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                if (stopAfter == 0)
                    stop.CancelAfter(1);
                await foreach (PictureResult result in PicturePipeline.RunAsync(
                    Numbers(100_000), _model, new PicturePipelineOptions { Taps = Pooler, BatchSize = 3 }, stop.Token))
                {
                    Assert.Equal($"{taken}", result.Entry.Id);
                    if (++taken == stopAfter)
                        await stop.CancelAsync();
                }
            });
            if (stopAfter > 0)
                Assert.Equal(stopAfter, taken);
        }
    }

    [Fact]
    public async Task A_pipeline_that_is_left_early_lets_go_of_the_model()
    {
        PixioModel model = PixioModel.Load(CliData.Model, new PixioModelOptions { Decoder = new NumberDecoder() });
        await foreach (PictureResult _ in PicturePipeline.RunAsync(Numbers(1000), model, new PicturePipelineOptions { Taps = Pooler },
            TestEnd))
            break;
        model.Dispose();
    }

    [Fact]
    public async Task A_source_that_throws_is_told_after_what_came_before()
    {
        List<string> ids = [];
        InvalidDataException exception = await Assert.ThrowsAsync<InvalidDataException>(async () =>
        {
            await foreach (PictureResult result in PicturePipeline.RunAsync(
                Broken(), _model, new PicturePipelineOptions { Taps = Pooler, BatchSize = 4 }, TestEnd))
                ids.Add(result.Entry.Id);
        });
        Assert.Equal("the source broke", exception.Message);
        Assert.Equal(["0", "1", "2"], ids);

        static IEnumerable<PictureEntry> Broken()
        {
            foreach (PictureEntry entry in Numbers(3))
                yield return entry;
            throw new InvalidDataException("the source broke");
        }
    }

    [Fact]
    public async Task A_fault_that_is_no_pictures_ends_it()
    {
        PicturePipelineOptions options = new() { Taps = Pooler };
        using PixioModel model = PixioModel.Load(CliData.Model, new PixioModelOptions { Decoder = new BrokenDecoder() });
        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
            await PicturePipeline.RunAsync(Numbers(10), model, options, TestEnd).ToListAsync(TestEnd));

        // A model that cannot be loaded, told as what went wrong.
        using PicturePipeline pipeline = PicturePipeline.Start(
            Numbers(10), Task.FromException<PixioModel>(new ModelFormatException("no model")), new PixioModelOptions(), options,
                tapsFor: null, TestEnd);
        await Assert.ThrowsAsync<ModelFormatException>(async () => await pipeline.ResultsAsync().ToListAsync(TestEnd));
    }

    [Fact]
    public async Task A_fault_while_a_batch_runs_ends_it_and_nobody_waits_for_himself()
    {
        using TemporaryFolder folder = new();
        foreach (string name in new[] { "config.json", "model.safetensors" })
            File.Copy(Path.Combine(CliData.Model, name), folder.File(name));
        folder.Write("preprocessor_config.json", """{ "do_resize": false, "do_center_crop": false }"""u8);
        using PixioModel model = PixioModel.Load(folder.Root);
        // So many of the second picture fit in no array, which shows when the first one's batch is on its way.
        PictureEntry[] entries = [.. new[] { 64, 2048 }.Select(side => PictureEntry.FromBytes($"{side}", MinimalBitmap.Create(side, side)))];
        PicturePipelineOptions options = new() { Taps = Pooler, BatchSize = 1000 };
        for (int round = 0; round < 10; round++)
        {
            // Away from the test's own context, where whoever is told goes on at once.
            Task run = Task.Run(async () =>
            {
                await foreach (PictureResult _ in PicturePipeline.RunAsync(entries, model, options, TestEnd).ConfigureAwait(false))
                {
                }
            }, TestEnd);
            ArgumentException exception = await Assert.ThrowsAsync<ArgumentException>(() => run.WaitAsync(TimeSpan.FromMinutes(1), TestEnd));
            Assert.Contains("A batch of 1000 pictures of 2048x2048", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Stages_are_accounted_for()
    {
        // Whatever a picture takes after its decoding, the decoder waits for it with the next one; the last one is broken and takes nothing.
        const int Count = 55;
        using SemaphoreSlim turns = new(1);
        using PixioModel model = PixioModel.Load(CliData.Model, new PixioModelOptions { Decoder = new LastInLineDecoder(turns) });
        using PicturePipeline pipeline = PicturePipeline.Start(
            Numbers(Count, slow: true), model, new PicturePipelineOptions { Taps = Pooler, BatchSize = 1, DecodeWorkers = 1 }, TestEnd);
        await foreach (PictureResult _ in pipeline.ResultsAsync())
            turns.Release();

        PipelineStatistics statistics = pipeline.Statistics;
        Assert.Equal(Enum.GetValues<PipelineStage>().Where(stage => stage != PipelineStage.GpuPreprocess), statistics.Stages.Select(share => share.Stage));
        Assert.All(statistics.Stages, share => Assert.InRange(share.Utilisation, 0, 1));
        // However slow the engine is.
        Assert.Equal(PipelineStage.Decode, statistics.Limit);
        Assert.Equal(statistics, pipeline.Statistics with { Stages = statistics.Stages });
        Assert.Equal(Enumerable.Range(0, Count).Sum(number => NumberDecoder.Encode(number).Length), statistics.EncodedByteCount);
    }

    [Fact]
    public async Task Options_that_make_no_sense_are_refused()
    {
        foreach (PicturePipelineOptions options in new PicturePipelineOptions[]
        {
            new() { Taps = Pooler, BatchSize = 0 }, new() { Taps = Pooler, DecodeWorkers = 0 }, new() { Taps = Pooler,
                ConcurrentBatches = 0 },
            new() { Taps = Pooler, PicturesAhead = 0 }, new() { Taps = Pooler, MemoryLimit = 0 },
                new() { Taps = new EncoderTaps { HiddenStates = [99] } },
        })
            Assert.ThrowsAny<ArgumentException>(() => PicturePipeline.Start([], _model, options, TestEnd));
        using PicturePipeline pipeline = PicturePipeline.Start([], _model, new PicturePipelineOptions { Taps = Pooler }, TestEnd);
        Assert.Empty(await pipeline.ResultsAsync().ToListAsync(TestEnd));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pipeline.ResultsAsync().ToListAsync(TestEnd));
    }

    private static IEnumerable<PictureEntry> Numbers(int count, bool slow = false) => Enumerable.Range(0, count).Select(number =>
        PictureEntry.FromBytes($"{number}", NumberDecoder.Encode(number, slow)));

    /// <summary>"Decodes" a number to one of five plain pictures; each takes its own time, so that the workers overtake one
    /// another.</summary>
    private sealed class NumberDecoder : IImageDecoder
    {
        public static byte[] Encode(int number, bool slow = false) => [(byte)number, (byte)(number >> 8), (byte)(slow ? 1 : 0)];

        public static RgbImage Image(int number) => new(9, 8, Enumerable.Range(0, 9 * 8 * 3).Select(i =>
            (byte)(i * (number % 5))).ToArray());

        public RgbImage Decode(ReadOnlySpan<byte> encoded, string name, ImageDecodeOptions? options = null)
        {
            if (encoded.Length != 3)
                throw new ImageFormatException("not a number");
            int number = encoded[0] | (encoded[1] << 8);
            if (encoded[2] == 1)
                Thread.Sleep(number * 7 % 11);
            return number % 17 == 3 && encoded[2] == 1 ? throw new ImageFormatException("a bad picture") : Image(number);
        }
    }

    /// <summary>Takes a number only when it is its turn.</summary>
    private sealed class LastInLineDecoder(SemaphoreSlim turns) : IImageDecoder
    {
        private readonly NumberDecoder _decoder = new();

        public RgbImage Decode(ReadOnlySpan<byte> encoded, string name, ImageDecodeOptions? options = null)
        {
            Assert.True(turns.Wait(TimeSpan.FromMinutes(1)));
            return _decoder.Decode(encoded, name, options);
        }
    }

    private sealed class BrokenDecoder : IImageDecoder
    {
        public RgbImage Decode(ReadOnlySpan<byte> encoded, string name, ImageDecodeOptions? options = null) =>
            throw new InvalidOperationException("a fault of the decoder's own");
    }
}
