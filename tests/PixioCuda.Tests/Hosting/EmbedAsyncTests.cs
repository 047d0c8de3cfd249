using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using PixioCuda.Diagnostics;
using PixioCuda.Imaging;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>Concurrent callers share runs, and none of them can tell.</summary>
public class EmbedAsyncTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly byte[] Nothing = [0];

    [Theory]
    [InlineData(1, 0)]
    [InlineData(4, 0)]
    [InlineData(16, 5)]
    public async Task Concurrent_callers_get_the_bits_that_each_would_get_alone(int maxBatch, int delayMilliseconds)
    {
        using PixioModel model = SmallModel.Load(new BatchingOptions { MaxBatch = maxBatch, MaxDelay = TimeSpan.FromMilliseconds(delayMilliseconds) });
        EmbeddingKind[] kinds = Enum.GetValues<EmbeddingKind>();
        RgbImage[] images = [.. Enumerable.Range(0, 23).Select(index => SmallModel.Picture($"picture {index}"))];
        float[][] expected = [.. images.Select((image, index) => model.Embed(image, kinds[index % kinds.Length]))];
        float[][] actual = await Task.WhenAll(images.Select((image, index) => model.EmbedAsync(image, kinds[index % kinds.Length]))).WaitAsync(Patience);
        Assert.Equal(expected, actual);
        Assert.Equal(0, model.QueueLength);
    }

    [Fact]
    public async Task Pictures_that_come_together_run_together_in_powers_of_two()
    {
        using PixioModel model = SmallModel.Load(new BatchingOptions { MaxBatch = 16, MaxDelay = TimeSpan.FromSeconds(3) });
        ConcurrentQueue<int> sizes = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == PixioTelemetry.Name && instrument.Name == PixioTelemetry.BatchSize)
                self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((_, size, tags, _) =>
        {
            // Other tests run at the same time, on models of other names or with other batches; this picture size is ours alone.
            if (tags.ToArray().Any(tag => (string?)tag.Value == model.Name))
                sizes.Enqueue(size);
        });
        listener.Start();
        int length = 3 * 16 * 48;
        await Task.WhenAll(Enumerable.Range(0, 13).Select(index =>
            model.EmbedAsync(Noise.Normal($"together {index}", length), new ImageSize(16, 48)))).WaitAsync(Patience);
        // 13 = 8 + 4 + 1; what other tests of the same model run at the same time may stand among them.
        Assert.Superset(new HashSet<int> { 8, 4, 1 }, sizes.ToHashSet());
    }

    [Fact]
    public async Task A_full_queue_rejects_at_once_and_has_room_again_later()
    {
        using HeldDecoder decoder = new();
        using PixioModel model = SmallModel.Load(new BatchingOptions { MaxQueued = 3 }, decoder);
        Task<float[]>[] waiting = [.. Enumerable.Range(0, 3).Select(index => model.EmbedAsync(Nothing, $"held {index}"))];
        Assert.Equal(3, model.QueueLength);
        QueueFullException exception = await Assert.ThrowsAsync<QueueFullException>(() => model.EmbedAsync(Nothing, "one too many"));
        Assert.Contains("3 pictures already wait", exception.Message, StringComparison.Ordinal);
        decoder.Release();
        await Task.WhenAll(waiting).WaitAsync(Patience);
        Assert.Equal(model.Embed(SmallModel.Picture("later")), await model.EmbedAsync(SmallModel.Picture("later")).WaitAsync(Patience));
        Assert.Equal(0, model.QueueLength);
    }

    [Fact]
    public async Task A_waiting_caller_that_cancels_leaves_the_queue_at_once()
    {
        using PixioModel model = SmallModel.Load(new BatchingOptions { MaxBatch = 4, MaxQueued = 2, MaxDelay = TimeSpan.FromSeconds(10) });
        using CancellationTokenSource cancellation = new();
        Task<float[]> waits = model.EmbedAsync(Pixels("a"), 64, cancellationToken: cancellation.Token);
        Task<float[]> alsoWaits = model.EmbedAsync(Pixels("b"), 64);
        await Assert.ThrowsAsync<QueueFullException>(() => model.EmbedAsync(Pixels("c"), 64));
        await cancellation.CancelAsync();
        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits.WaitAsync(TimeSpan.FromSeconds(5)));
        Assert.Equal(cancellation.Token, exception.CancellationToken);
        Assert.Equal(1, model.QueueLength);
        // Three more make a full batch, which waits for nobody.
        Task<float[]> third = model.EmbedAsync(Pixels("c"), 64);
        Assert.False(alsoWaits.IsCompleted);
        Assert.False(third.IsCompleted);
        model.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => alsoWaits.WaitAsync(Patience));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => third.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_caller_that_cancels_while_its_picture_is_decoded_goes_at_once()
    {
        using HeldDecoder decoder = new();
        using PixioModel model = SmallModel.Load(decoder: decoder);
        using CancellationTokenSource cancellation = new();
        Task<float[]> held = model.EmbedAsync(Nothing, "held", cancellationToken: cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => held.WaitAsync(Patience));
        decoder.Release();
        // The place is free again as soon as the decoder has let go of it.
        for (int look = 0; look < 300 && model.QueueLength > 0; look++)
            await Task.Delay(100);
        Assert.Equal(0, model.QueueLength);
    }

    [Fact]
    public async Task A_token_that_is_cancelled_already_is_seen_before_anything_is_done()
    {
        using HeldDecoder decoder = new();
        using PixioModel model = SmallModel.Load(decoder: decoder);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => model.EmbedAsync(Nothing, "never", cancellationToken: new CancellationToken(true)));
        Assert.Equal(0, decoder.Entered);
        Assert.Equal(0, model.QueueLength);
    }

    [Fact]
    public async Task A_picture_that_cannot_be_decoded_ends_its_own_call_alone()
    {
        using PixioModel model = SmallModel.Load(new BatchingOptions { MaxDelay = TimeSpan.FromMilliseconds(50) });
        Task<float[]> good = model.EmbedAsync(TestData.Path("images", "cat.png"));
        Task<float[]> bad = model.EmbedAsync("not a picture"u8.ToArray(), "broken.png");
        Task<float[]> absent = model.EmbedAsync(TestData.Path("images", "there-is-none.png"));
        ImageFormatException exception = await Assert.ThrowsAsync<ImageFormatException>(() => bad.WaitAsync(Patience));
        Assert.Contains("broken.png", exception.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<FileNotFoundException>(() => absent.WaitAsync(Patience));
        Assert.Equal(model.Embed(TestData.Path("images", "cat.png")), await good.WaitAsync(Patience));
        Assert.Equal(0, model.QueueLength);
    }

    [Fact]
    public async Task No_size_starves_another()
    {
        using PixioModel model = SmallModel.Load(new BatchingOptions { MaxBatch = 2, MaxDelay = TimeSpan.FromMilliseconds(1), MaxQueued = 8 });
        using CancellationTokenSource flood = new();
        // Callers that keep full batches of one size waiting at all times.
        Task[] flooding = [.. Enumerable.Range(0, 6).Select(index => Task.Run(async () =>
        {
            while (!flood.IsCancellationRequested)
                await model.EmbedAsync(Pixels($"flood {index}"), 64);
        }))];
        try
        {
            for (int round = 0; round < 10; round++)
                await model.EmbedAsync(Noise.Normal("rare", 3 * 32 * 16), new ImageSize(32, 16)).WaitAsync(Patience);
        }
        finally
        {
            await flood.CancelAsync();
            await Task.WhenAll(flooding).WaitAsync(Patience);
        }
    }

    [Fact]
    public async Task Wrong_arguments_are_refused_before_the_queue()
    {
        using PixioModel model = SmallModel.Load();
        await Assert.ThrowsAsync<ArgumentException>("pixels", () => model.EmbedAsync(new float[5], 64));
        await Assert.ThrowsAsync<ArgumentException>(() => model.EmbedAsync(new float[3 * 60 * 60], 60));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>("kind", () => model.EmbedAsync(SmallModel.Picture("a"), (EmbeddingKind)9));
        model.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => model.EmbedAsync(SmallModel.Picture("a")));
    }

    [Theory]
    [InlineData(0, 0, 1, "MaxBatch")]
    [InlineData(2000, 0, 1, "MaxBatch")]
    [InlineData(1, -1, 1, "MaxDelay")]
    [InlineData(1, 60, 1, "MaxDelay")]
    [InlineData(1, 0, 0, "MaxQueued")]
    public void Options_out_of_range_are_refused_before_weights_are_read(int batch, int delaySeconds, int queued, string name)
    {
        BatchingOptions options = new() { MaxBatch = batch, MaxDelay = TimeSpan.FromSeconds(delaySeconds), MaxQueued = queued };
        ArgumentException exception = Assert.Throws<ArgumentException>(() => SmallModel.Load(options));
        Assert.Contains(name, exception.Message, StringComparison.Ordinal);
    }

    private static float[] Pixels(string name) => Noise.Normal(name, 3 * 64 * 64);
}
