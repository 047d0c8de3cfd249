using System.Buffers;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using PixioCuda.Diagnostics;
using PixioCuda.Imaging;

namespace PixioCuda.Batching;

/// <summary>Embeds the pictures of any number of concurrent callers in batches: prepares them on the thread pool, puts them into the queue,
/// and runs what comes out of it on threads of its own. Thread-safe.</summary>
internal sealed class EmbedService : IDisposable
{
    private readonly PixioModel _model;
    private readonly BatchingOptions _options;
    private readonly ModelTelemetry _telemetry;
    private readonly ILogger _logger;
    private readonly EmbedQueue _queue;
    private readonly Thread[] _threads;
    private int _isRejecting;

    /// <summary>Starts the threads.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">Valid.</param>
    /// <param name="telemetry">The model's.</param>
    /// <param name="logger">The model's.</param>
    /// <param name="runsAtATime">How many runs the model's device does at a time.</param>
    public EmbedService(PixioModel model, BatchingOptions options, ModelTelemetry telemetry, ILogger logger, int runsAtATime)
    {
        _model = model;
        _options = options;
        _telemetry = telemetry;
        _logger = logger;
        _queue = new EmbedQueue(options);
        _threads = new Thread[runsAtATime];
        for (int index = 0; index < runsAtATime; index++)
        {
            _threads[index] = new Thread(new EmbedWorker(model, _queue, options, telemetry, logger).Work)
            {
                IsBackground = true,
                Name = $"PixioCuda batches {index + 1}",
            };
            _threads[index].Start();
        }
    }

    /// <summary>How many pictures are being prepared or wait.</summary>
    public int QueueLength => _queue.Count;

    /// <summary>Embeds a picture that has yet to be decoded, resized and cropped.</summary>
    /// <param name="decode">Gives the picture; called on the thread pool.</param>
    /// <param name="kind">Which embedding.</param>
    /// <param name="cancellationToken">Ends the wait at any time.</param>
    public Task<float[]> EmbedAsync(Func<RgbImage> decode, EmbeddingKind kind, CancellationToken cancellationToken) =>
        EmbedAsync(
            context => Task.Run(() => Prepare(decode, kind, context, cancellationToken), cancellationToken), cancellationToken);

    /// <summary>Embeds pixel values.</summary>
    /// <param name="pixels">[channels, height, width]; not to change before the task has ended.</param>
    /// <param name="key">Kind and size; valid.</param>
    /// <param name="cancellationToken">Ends the wait at any time.</param>
    public Task<float[]> EmbedAsync(ReadOnlyMemory<float> pixels, BatchKey key, CancellationToken cancellationToken) =>
        EmbedAsync(context => Task.FromResult(new EmbedRequest(key, pixels, context)), cancellationToken);

    /// <summary>Ends the wait of every caller, and waits for the runs in flight.</summary>
    public void Dispose()
    {
        _queue.Close();
        foreach (Thread thread in _threads)
            thread.Join();
    }

    private async Task<float[]> EmbedAsync(Func<ActivityContext, Task<EmbedRequest>> prepare, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Reserve();
        using Activity? activity = _telemetry.StartEmbed();
        Task<EmbedRequest> preparing = prepare(activity?.Context ?? default);
        EmbedRequest request;
        try
        {
            request = await preparing.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            activity?.SetStatus(ActivityStatusCode.Error);
            // The caller goes at once; the place is taken for as long as the picture is worked on.
            _ = preparing.ContinueWith(Forget, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            throw;
        }

        _queue.Enqueue(request);
        // After it was put into the queue, so that a token that is cancelled already finds it there.
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            (state, token) => _queue.Cancel((EmbedRequest)state!, token), request);
        return await request.Completion.ConfigureAwait(false);
    }

    private void Forget(Task<EmbedRequest> prepared)
    {
        _queue.Release();
        if (prepared.IsCompletedSuccessfully)
            prepared.Result.ReturnMemory();
        else
            _ = prepared.Exception;
    }

    private void Reserve()
    {
        if (_queue.TryReserve())
        {
            Volatile.Write(ref _isRejecting, 0);
            return;
        }

        _telemetry.CountRejected();
        // Once for every time that it fills up: under load there are thousands.
        if (Interlocked.Exchange(ref _isRejecting, 1) == 0)
            Log.QueueFull(_logger, _model.Name, _options.MaxQueued);
        throw new QueueFullException(
            $"{_options.MaxQueued} pictures already wait for {_model.Name}, which is all that its queue holds: try again later, or raise "
            + $"{nameof(PixioModelOptions)}.{nameof(PixioModelOptions.Batching)}.{nameof(BatchingOptions.MaxQueued)}.");
    }

    private EmbedRequest Prepare(Func<RgbImage> decode, EmbeddingKind kind, ActivityContext context, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        RgbImage image = decode();
        cancellationToken.ThrowIfCancellationRequested();
        ImageSize size = _model.InputSizeOf(image);
        _model.Config.GridFor(size);
        int byteCount = checked((int)(3 * size.Area));
        byte[] rgb = ArrayPool<byte>.Shared.Rent(byteCount);
        try
        {
            _model.Resize(image, rgb.AsSpan(0, byteCount));
            return new EmbedRequest(new BatchKey(kind, size), rgb, context);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(rgb);
            throw;
        }
    }
}
