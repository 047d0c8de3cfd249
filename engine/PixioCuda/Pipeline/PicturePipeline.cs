using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using PixioCuda.Cuda;
using PixioCuda.Imaging;

namespace PixioCuda.Pipeline;

/// <summary>Brings pictures from their files through the encoder: a source, workers that read, decode and resize, batches, the engine, and
/// whoever takes the results, all at work at the same time. Results come in the order of the source, whoever was faster. Every queue is
/// bounded: what is slowest holds up the others, and memory does not grow with the number of pictures.</summary>
/// <remarks>A bad picture is a result with its <see cref="PictureResult.Failure"/>, and stops nothing. A picture's features are the same
/// bits for every batch size and number of threads.</remarks>
public sealed class PicturePipeline : IDisposable
{
    private readonly PicturePipelineOptions _options;
    private readonly Task<PixioModel> _model;
    private readonly Func<PixioModel, EncoderTaps> _tapsFor;
    private readonly PictureMemory _memory;
    private readonly StageClock _clock;
    private readonly BlockingCollection<PictureSlot> _order;
    private readonly BlockingCollection<PictureSlot> _undecoded = [];
    private readonly BlockingCollection<PictureBatch> _unrun = [];
    private readonly Channel<PictureBatch> _batches;
    private readonly ConcurrentBag<PictureBatch> _spare = [];
    private readonly int _mostBatches;
    private readonly List<PictureBatch> _made = [];
    private readonly TaskCompletionSource<PicturePreparation> _preparation = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _anyFailure = new();
    private readonly CancellationTokenRegistration _cancellation;
    private readonly CancellationToken _callersToken;
    private readonly DecodeStage _decode;
    private readonly List<Thread> _engineThreads = [];
    private readonly Thread _batcher;
    private CudaPreprocessor? _preprocessor;
    private ExceptionDispatchInfo? _fault;
    private Exception? _firstFailure;
    private ExceptionDispatchInfo? _sourceFault;
    private int _isEnumerated;
    private PreprocessChoice? _choice;

    private PicturePipeline(
        IEnumerable<PictureEntry> pictures, Task<PixioModel> model, IImageDecoder decoder, ImageDecodeOptions decodeOptions,
        PicturePipelineOptions options, Func<PixioModel, EncoderTaps>? tapsFor, int mostBatches, CancellationToken cancellationToken)
    {
        _options = options;
        _model = model;
        _tapsFor = tapsFor ?? (_ => options.Taps);
        int workers = options.DecodeWorkers ?? Environment.ProcessorCount;
        _memory = new PictureMemory(options.MemoryLimit);
        _clock = new StageClock(workers);
        _order = new BlockingCollection<PictureSlot>(options.PicturesAhead ?? (2 * options.BatchSize) + (2 * workers));
        _mostBatches = mostBatches;
        _batches = Channel.CreateBounded<PictureBatch>(mostBatches + 1);
        _decode = new DecodeStage(decoder, decodeOptions, _preparation.Task, options.HashContents, _memory, _clock);
        _callersToken = cancellationToken;
        _cancellation = cancellationToken.Register(Stop);
        Start("source", () => Source(pictures));
        for (int worker = 0; worker < workers; worker++)
            Start($"decoder {worker}", () => _decode.Work(_undecoded, Failed, _stop.Token));
        _batcher = Start("batches", Batch);
    }

    /// <summary>Cancelled when the first picture fails, which may be long before its result comes.</summary>
    public CancellationToken AnyFailure => _anyFailure.Token;

    /// <summary>The failure that cancelled <see cref="AnyFailure"/>, or null.</summary>
    public Exception? FirstFailure => _firstFailure;

    /// <summary>What was done so far, and how busy each stage was.</summary>
    public PipelineStatistics Statistics => _clock.Snapshot();

    /// <summary>Where pictures are resized and normalised, and why: "on the GPU, as asked". Null before the model is there.</summary>
    public string? Preprocessing => Volatile.Read(ref _choice)?.ToString();

    /// <summary>What preprocessing holds of the device's memory and of pinned memory, batches aside, in bytes.</summary>
    internal (long Device, long Pinned) PreprocessorByteCounts =>
        (_preprocessor?.ScratchByteCount ?? 0, _preprocessor?.PinnedByteCount ?? 0);

    /// <summary>The most memory that pictures took before the engine, in bytes.</summary>
    internal long PeakPictureBytes => _memory.Peak;

    /// <summary>Runs pictures through a model.</summary>
    /// <param name="pictures">Enumerated once, on a thread of the pipeline's own; see <see cref="PictureSource"/>.</param>
    /// <param name="model">What runs them, with its decoder, its limits and its recipe; must outlive the enumeration.</param>
    /// <param name="options">What to compute, and how.</param>
    /// <param name="cancellationToken">Stops everything; results that were handed out stay.</param>
    /// <returns>A result for every picture, in the order of the source. Features are valid until the next result is asked for.</returns>
    /// <exception cref="ArgumentException">An option is not valid, a tap does not exist, or a GPU is to preprocess and the model is on
    /// none.</exception>
    /// <exception cref="DeviceMemoryException">The device has too little memory.</exception>
    /// <exception cref="PixioException">The device fails.</exception>
    /// <exception cref="PictureSourceException">The source cannot go on; what came before it has been handed out.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static async IAsyncEnumerable<PictureResult> RunAsync(
        IEnumerable<PictureEntry> pictures, PixioModel model, PicturePipelineOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using PicturePipeline pipeline = Start(pictures, model, options, cancellationToken);
        await foreach (PictureResult result in pipeline.ResultsAsync().ConfigureAwait(false))
            yield return result;
    }

    /// <summary>Begins to run pictures through a model; <see cref="ResultsAsync"/> gives the results.</summary>
    /// <inheritdoc cref="RunAsync"/>
    public static PicturePipeline Start(
        IEnumerable<PictureEntry> pictures, PixioModel model, PicturePipelineOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.ThrowIfInvalid();
        options.Taps.ThrowIfInvalid(model.Config);
        PreprocessChoice.ThrowIfImpossible(model, options);
        return new PicturePipeline(
            pictures, Task.FromResult(model), model.Decoder, model.DecodeOptions, options, tapsFor: null,
            options.ConcurrentBatches ?? model.ConcurrentRuns, cancellationToken);
    }

    /// <summary>Begins to read and decode while the model is still being loaded.</summary>
    /// <param name="pictures">As in the other one.</param>
    /// <param name="model">What will run them.</param>
    /// <param name="modelOptions">What the model is loaded with.</param>
    /// <param name="options">As in the other one.</param>
    /// <param name="tapsFor">What to compute, where the model decides that; null for what the options say.</param>
    /// <param name="cancellationToken">Stops everything.</param>
    internal static PicturePipeline Start(
        IEnumerable<PictureEntry> pictures, Task<PixioModel> model, PixioModelOptions modelOptions, PicturePipelineOptions options,
        Func<PixioModel, EncoderTaps>? tapsFor, CancellationToken cancellationToken)
    {
        options.ThrowIfInvalid();
        return new PicturePipeline(
            pictures, model, modelOptions.Decoder ?? new StbImageDecoder(), modelOptions.DecodeOptions, options, tapsFor,
            options.ConcurrentBatches ?? modelOptions.CudaSessions, cancellationToken);
    }

    /// <summary>The results, once. See <see cref="RunAsync"/>.</summary>
    /// <exception cref="InvalidOperationException">They were asked for before.</exception>
    public async IAsyncEnumerable<PictureResult> ResultsAsync()
    {
        if (Interlocked.Exchange(ref _isEnumerated, 1) != 0)
            throw new InvalidOperationException("The results of a pipeline can be enumerated once.");
        try
        {
            while (await NextAsync().ConfigureAwait(false) is { } batch)
            {
                foreach (PictureResult result in batch.Results())
                {
                    if (!result.Entry.IsMark)
                        _clock.CountResult(result.Failure is not null);
                    long handedOut = Stopwatch.GetTimestamp();
                    yield return result;
                    _clock.Add(PipelineStage.Write, handedOut);
                    _callersToken.ThrowIfCancellationRequested();
                }

                batch.Reset();
                _spare.Add(batch);
            }

            _sourceFault?.Throw();
        }
        finally
        {
            _clock.Stop();
            Stop();
        }
    }

    /// <summary>Stops everything and waits for the run in flight. What reads pictures is not waited for: it may hang in a read that
    /// nothing ends, and holds nothing of the model.</summary>
    public void Dispose()
    {
        _cancellation.Dispose();
        Stop();
        _batcher.Join();
        foreach (Thread thread in _engineThreads)
            thread.Join();
        // Its stream may still write into batches.
        _preprocessor?.Dispose();
        _made.ForEach(batch => batch.Dispose());
        _made.Clear();
    }

    private async ValueTask<PictureBatch?> NextAsync()
    {
        try
        {
            if (!await _batches.Reader.WaitToReadAsync(_stop.Token).ConfigureAwait(false)
                || !_batches.Reader.TryRead(out PictureBatch? batch))
                return null;
            await batch.Completed.WaitAsync(_stop.Token).ConfigureAwait(false);
            return batch;
        }
        catch (OperationCanceledException)
        {
            _callersToken.ThrowIfCancellationRequested();
            _fault?.Throw();
            throw;
        }
    }

    private void Source(IEnumerable<PictureEntry> pictures)
    {
        try
        {
            long number = 0;
            long since = Stopwatch.GetTimestamp();
            foreach (PictureEntry entry in pictures)
            {
                PictureSlot slot = new(entry, number++);
                if (entry.IsReadInOrder)
                {
                    _memory.Take(slot.Number, entry.ByteCount);
                    slot.HeldBytes = entry.ByteCount;
                    _decode.Read(slot, _stop.Token);
                }

                _clock.Add(PipelineStage.Source, since);
                bool isDecoded = entry.Failure is not null || entry.IsMark;
                if (isDecoded)
                    Pass(slot);
                _order.Add(slot, _stop.Token);
                if (!isDecoded)
                    _undecoded.Add(slot, _stop.Token);
                since = Stopwatch.GetTimestamp();
            }
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !_stop.IsCancellationRequested)
        {
            // What came before is still handed out; then whoever takes the results is told.
            _sourceFault = ExceptionDispatchInfo.Capture(exception);
        }
        finally
        {
            _order.CompleteAdding();
            _undecoded.CompleteAdding();
        }
    }

    private void Pass(PictureSlot slot)
    {
        slot.Failure = slot.Entry.Failure;
        if (slot.Failure is { } failure)
            Failed(failure);
        slot.MarkReady();
    }

    private void Failed(Exception failure)
    {
        if (Interlocked.CompareExchange(ref _firstFailure, failure, null) is null)
            _anyFailure.Cancel();
    }

    private void Batch()
    {
        _model.Wait(_stop.Token);
        PixioModel model = _model.Result;
        int concurrentBatches = _options.ConcurrentBatches ?? model.ConcurrentRuns;
        EncoderTaps taps = _tapsFor(model);
        Prepare(model, taps, concurrentBatches);
        for (int index = 0; index < concurrentBatches; index++)
            _engineThreads.Add(Start($"engine {index}", () => RunBatches(model, taps)));
        try
        {
            PictureBatch batch = Spare();
            foreach (PictureSlot slot in _order.GetConsumingEnumerable(_stop.Token))
            {
                slot.Wait(_stop.Token);
                if (!batch.Suits(slot))
                    batch = Send(batch);
                Add(batch, slot);
                _memory.Advance(slot.HeldBytes);
                // Not when the next picture comes: a full batch waits for nobody.
                if (batch.IsFull)
                    batch = Send(batch);
            }

            if (batch.Slots.Count > 0)
                Send(batch);
            _batches.Writer.Complete();
        }
        finally
        {
            _unrun.CompleteAdding();
        }
    }

    /// <summary>Decides where pictures are preprocessed, for which the workers wait.</summary>
    private void Prepare(PixioModel model, EncoderTaps taps, int concurrentBatches)
    {
        // One in the consumer's hand, one in the batcher's, and those in the queue.
        PreprocessChoice choice = PreprocessChoice.Of(model, _options, taps, concurrentBatches, allBatches: _mostBatches + 3);
        if (choice.IsOnGpu)
            _preprocessor = model.CreatePreprocessor(model.Recipe.Scale, _options.DeviceByteLimit);
        Volatile.Write(ref _choice, choice);
        model.LogPreprocessing(choice.ToString());
        _clock.Restart(concurrentBatches, choice.IsOnGpu);
        _preparation.SetResult(new PicturePreparation(model, choice.IsOnGpu ? _options.DeviceByteLimit : null));
    }

    private void Add(PictureBatch batch, PictureSlot slot)
    {
        long began = Stopwatch.GetTimestamp();
        batch.Add(slot);
        if (_preprocessor is not null && slot.IsPicture)
            _clock.Add(PipelineStage.GpuPreprocess, began);
    }

    private PictureBatch Send(PictureBatch batch)
    {
        _batches.Writer.WriteAsync(batch, _stop.Token).AsTask().GetAwaiter().GetResult();
        _unrun.Add(batch, _stop.Token);
        return Spare();
    }

    private PictureBatch Spare()
    {
        if (_spare.TryTake(out PictureBatch? spare))
            return spare;
        PictureBatch batch = new(_options.BatchSize, _preprocessor is null ? new HostBatchPixels() : new DeviceBatchPixels(_preprocessor));
        _made.Add(batch);
        return batch;
    }

    private void RunBatches(PixioModel model, EncoderTaps taps)
    {
        foreach (PictureBatch batch in _unrun.GetConsumingEnumerable(_stop.Token))
        {
            long began = Stopwatch.GetTimestamp();
            batch.Run(model, taps, _stop.Token);
            _clock.Add(PipelineStage.Engine, began);
        }
    }

    private Thread Start(string name, Action work)
    {
        Thread thread = new(() =>
        {
            try
            {
                work();
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // Told to whoever takes the results.
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _fault, ExceptionDispatchInfo.Capture(Unwrapped(exception)), null);
                // Whoever takes the results goes on where this is called, and may then wait for this very thread to end.
                _ = _stop.CancelAsync();
                _memory.Stop();
            }
        })
        {
            IsBackground = true,
            Name = $"PixioCuda {name}",
        };
        thread.Start();
        return thread;
    }

    /// <summary>A model that could not be loaded is told as what went wrong, not as a task that failed.</summary>
    private static Exception Unwrapped(Exception exception) =>
        exception is AggregateException { InnerExceptions: [Exception only] } ? only : exception;

    private void Stop()
    {
        _stop.Cancel();
        _memory.Stop();
    }
}
