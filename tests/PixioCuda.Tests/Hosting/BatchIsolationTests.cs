using System.Buffers;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>What one caller of a batch brings about does not reach the others.</summary>
public class BatchIsolationTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly BatchingOptions FourAtATime = new() { MaxBatch = 4, MaxDelay = TimeSpan.FromSeconds(10) };

    [Fact]
    public async Task A_batch_of_which_one_picture_fails_gives_the_others_their_results()
    {
        using PixioModel model = SmallModel.Load(FourAtATime);
        using CallerMemory failing = new(Pixels("failing"), () => throw new InvalidOperationException("This memory is gone."));
        float[][] good = [.. Enumerable.Range(0, 3).Select(index => Pixels($"good {index}"))];
        // Four of them are a full batch: they run together, and none waits for its delay.
        Task<float[]> bad = model.EmbedAsync(failing.Memory, 64);
        Task<float[]>[] tasks = [.. good.Select(pixels => model.EmbedAsync(pixels, 64))];
        float[][] actual = await Task.WhenAll(tasks).WaitAsync(Patience);
        Assert.Equal("This memory is gone.", (await Assert.ThrowsAsync<InvalidOperationException>(() => bad.WaitAsync(Patience))).Message);
        foreach ((float[] pixels, float[] embedding) in good.Zip(actual))
        {
            EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, 64), EncoderTaps.For(EmbeddingKind.Pooler));
            model.Run(pixels, outputs);
            Assert.Equal(outputs.Values.ToArray(), embedding);
        }
    }

    [Fact]
    public async Task A_batch_that_everybody_has_left_stops_and_the_next_one_runs()
    {
        using PixioModel model = SmallModel.Load(FourAtATime with { MaxDelay = TimeSpan.Zero });
        using ManualResetEventSlim isTaken = new(), isReleased = new();
        using CallerMemory held = new(Pixels("held"), () =>
        {
            isTaken.Set();
            isReleased.Wait(4 * Patience);
        });
        using CancellationTokenSource cancellation = new();
        Task<float[]> left = model.EmbedAsync(held.Memory, 64, cancellationToken: cancellation.Token);
        Assert.True(isTaken.Wait(Patience));
        Assert.Equal(0, model.QueueLength);
        await cancellation.CancelAsync();
        // At once, while its run is still under way.
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left.WaitAsync(Patience));
        Task<float[]> next = model.EmbedAsync(Pixels("next"), 64);
        isReleased.Set();
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, 64), EncoderTaps.For(EmbeddingKind.Pooler));
        model.Run(Pixels("next"), outputs);
        Assert.Equal(outputs.Values.ToArray(), await next.WaitAsync(Patience));
    }

    [Fact]
    public async Task Disposing_ends_who_waits_and_lets_the_run_in_flight_end()
    {
        PixioModel model = SmallModel.Load(FourAtATime with { MaxDelay = TimeSpan.Zero });
        using ManualResetEventSlim isTaken = new(), isReleased = new();
        using CallerMemory held = new(Pixels("held"), () =>
        {
            isTaken.Set();
            isReleased.Wait(4 * Patience);
        });
        Task<float[]> running = model.EmbedAsync(held.Memory, 64);
        Assert.True(isTaken.Wait(Patience));
        Task<float[]> waiting = model.EmbedAsync(Pixels("waiting"), 64);
        Task disposing = Task.Run(model.Dispose);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(Patience));
        Assert.False(disposing.IsCompleted);
        isReleased.Set();
        Assert.All(await running.WaitAsync(Patience), value => Assert.True(float.IsFinite(value)));
        await disposing.WaitAsync(Patience);
    }

    private static float[] Pixels(string name) => Noise.Normal(name, 3 * 64 * 64);

    /// <summary>Memory of a caller who does something when it is read.</summary>
    private sealed class CallerMemory(float[] values, Action onRead) : MemoryManager<float>
    {
        public override Span<float> GetSpan()
        {
            onRead();
            return values;
        }

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin()
        {
        }

        // The length is known beforehand: asking for the span to find it would be a read.
        public override Memory<float> Memory => CreateMemory(values.Length);

        protected override void Dispose(bool disposing)
        {
        }
    }
}
