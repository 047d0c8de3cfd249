using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using PixioCuda.Imaging;
using PixioCuda.Tests.Model;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>A host's worst day: 16 threads that run, embed, cancel, fail and send nonsense, in sizes and taps of all kinds, on a model that is
/// disposed of under them and loaded again all the time. Every result must have the bits that were computed in peace beforehand, and every
/// failure must be its caller's own.</summary>
internal sealed class Soak
{
    private const int ThreadCount = 16;

    private static readonly ImageSize[] Sizes = [new(64, 64), new(32, 48), new(16, 16)];
    private static readonly EncoderTaps[] Taps =
    [
        new() { PoolerOutput = true },
        new() { LastHiddenState = true, HiddenStates = [1] },
        new() { ClsConcat = true, Attentions = [new(1, [2])] },
    ];

    private static readonly EmbeddingKind[] Kinds = [EmbeddingKind.Pooler, EmbeddingKind.ClsRawMean];

    private readonly PixioModelOptions _options;
    private readonly Case[] _runs;
    private readonly Case[] _embeddings;
    private readonly RgbImage _picture = SmallModel.Picture("soak");
    private readonly float[] _pictureEmbedding;
    private readonly ConcurrentDictionary<string, long> _outcomes = new();
    private readonly ConcurrentQueue<string> _faults = new();
    private volatile Lifetime _current;
    private volatile bool _isOver;

    /// <summary>Computes what is right, alone.</summary>
    public Soak(PixioModelOptions options)
    {
        _options = options with { Batching = new BatchingOptions { MaxBatch = 4, MaxDelay = TimeSpan.FromMilliseconds(1), MaxQueued = 8 } };
        _current = new Lifetime(GoldenModels.Load("tiny", _options));
        PixioModel model = _current.Model;
        List<Case> runs = [], embeddings = [];
        foreach (ImageSize size in Sizes)
        {
            float[] pixels = Noise.Normal($"soak {size}", 2 * 3 * (int)size.Area);
            foreach (EncoderTaps taps in Taps)
            {
                EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, size), taps);
                model.Run(pixels, outputs);
                runs.Add(new Case(size, taps, default, pixels, outputs.Values.ToArray()));
            }

            float[] one = pixels[..(pixels.Length / 2)];
            foreach (EmbeddingKind kind in Kinds)
            {
                EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, size), EncoderTaps.For(kind));
                model.Run(one, outputs);
                embeddings.Add(new Case(size, EncoderTaps.For(kind), kind, one, outputs.Values.ToArray()));
            }
        }

        (_runs, _embeddings, _pictureEmbedding) = ([.. runs], [.. embeddings], model.Embed(_picture));
    }

    /// <summary>How long it lasts: PIXIO_SOAK_SECONDS, else 15 seconds.</summary>
    public static TimeSpan Duration { get; } = TimeSpan.FromSeconds(
        Environment.GetEnvironmentVariable("PIXIO_SOAK_SECONDS") is string text ? double.Parse(text, CultureInfo.InvariantCulture) : 15);

    /// <summary>Runs for a while, then disposes of everything.</summary>
    /// <returns>How often each kind of outcome came about.</returns>
    public async Task<IReadOnlyDictionary<string, long>> RunAsync(TimeSpan duration)
    {
        Task[] callers = [.. Enumerable.Range(0, ThreadCount).Select(seed => Task.Factory.StartNew(
            () => Call(new Random(seed)), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < duration && _faults.IsEmpty)
        {
            await Task.Delay(250);
            Lifetime next = new(GoldenModels.Load("tiny", _options)), last = _current;
            _current = next;
            last.Retire();
            Count("reloaded");
        }

        _isOver = true;
        _current.Retire();
        await Task.WhenAll(callers).WaitAsync(TimeSpan.FromMinutes(2));
        Assert.True(_faults.IsEmpty, string.Join(Environment.NewLine, _faults.Take(5)));
        return _outcomes;
    }

    private void Call(Random random)
    {
        while (!_isOver && _faults.IsEmpty)
        {
            Lifetime lifetime = _current;
            int action = random.Next(8);
            try
            {
                switch (action)
                {
                    case 0 or 1:
                        Run(lifetime.Model, random, CancellationToken.None);
                        Count("run");
                        break;
                    case 2 or 3:
                        Embed(lifetime.Model, random, CancellationToken.None);
                        Count("embedded");
                        break;
                    case 4:
                        Require(lifetime.Model.EmbedAsync(_picture).GetAwaiter().GetResult(), _pictureEmbedding, "a picture");
                        Count("picture");
                        break;
                    case 5:
                        using (CancellationTokenSource cancellation = new(TimeSpan.FromMicroseconds(random.Next(3000))))
                        {
                            if (random.Next(2) == 0)
                                Run(lifetime.Model, random, cancellation.Token);
                            else
                                Embed(lifetime.Model, random, cancellation.Token);
                        }

                        Count("not cancelled in time");
                        break;
                    case 6:
                        lifetime.Model.EmbedAsync("no picture"u8.ToArray(), "broken").GetAwaiter().GetResult();
                        _faults.Enqueue("A broken picture was embedded.");
                        break;
                    default:
                        lifetime.Model.Run(new float[7], lifetime.Model.CreateOutputs(new InputShape(1, 16), Taps[0]));
                        _faults.Enqueue("Seven numbers were taken for a picture.");
                        break;
                }
            }
            catch (OperationCanceledException) when (action == 5)
            {
                Count("cancelled");
            }
            catch (ImageFormatException) when (action == 6)
            {
                Count("broken picture");
            }
            catch (ArgumentException) when (action == 7)
            {
                Count("wrong length");
            }
            catch (QueueFullException)
            {
                Count("rejected");
            }
            catch (ObjectDisposedException) when (lifetime.IsRetired)
            {
                Count("disposed");
            }
            catch (Exception exception)
            {
                _faults.Enqueue($"Action {action}: {exception}");
            }
        }
    }

    private void Run(PixioModel model, Random random, CancellationToken cancellationToken)
    {
        Case picked = _runs[random.Next(_runs.Length)];
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, picked.Size), picked.Taps);
        outputs.Values.Fill(float.NaN);
        model.Run(picked.Pixels, outputs, cancellationToken);
        Require(outputs.Values, picked.Expected, $"{picked.Size}, {picked.Taps}");
    }

    private void Embed(PixioModel model, Random random, CancellationToken cancellationToken)
    {
        Case picked = _embeddings[random.Next(_embeddings.Length)];
        float[] embedding = model.EmbedAsync(picked.Pixels, picked.Size, picked.Kind, cancellationToken).GetAwaiter().GetResult();
        Require(embedding, picked.Expected, $"{picked.Size}, {picked.Kind}");
    }

    private void Require(ReadOnlySpan<float> actual, float[] expected, string what)
    {
        if (!actual.SequenceEqual(expected))
            _faults.Enqueue($"{what} has wrong bits.");
    }

    private void Count(string outcome) => _outcomes.AddOrUpdate(outcome, 1, (_, count) => count + 1);

    private sealed record Case(ImageSize Size, EncoderTaps Taps, EmbeddingKind Kind, float[] Pixels, float[] Expected);

    /// <summary>A model and whether its end has begun.</summary>
    private sealed class Lifetime(PixioModel model)
    {
        private volatile bool _isRetired;

        public PixioModel Model { get; } = model;

        public bool IsRetired => _isRetired;

        public void Retire()
        {
            _isRetired = true;
            Model.Dispose();
        }
    }
}
