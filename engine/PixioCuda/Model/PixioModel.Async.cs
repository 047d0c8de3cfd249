using PixioCuda.Batching;
using PixioCuda.Imaging;

namespace PixioCuda;

public sealed partial class PixioModel
{
    private readonly Lock _serviceLock = new();
    private EmbedService? _service;
    private bool _isDisposed;

    /// <summary>How <c>EmbedAsync</c> puts the pictures of concurrent callers together.</summary>
    public BatchingOptions Batching => _options.Batching;

    /// <summary>How many pictures of <c>EmbedAsync</c> are being decoded or wait for their run; at most
    /// <see cref="BatchingOptions.MaxQueued"/>.</summary>
    public int QueueLength => Volatile.Read(ref _service)?.QueueLength ?? 0;

    /// <summary>Embeds a picture file, together with those of other callers (<see cref="PixioModelOptions.Batching"/>). Reading, decoding and
    /// resizing happen on the thread pool. The result has the same bits as that of
    /// <see cref="Embed(string, EmbeddingKind, CancellationToken)"/>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kind">Which embedding.</param>
    /// <param name="cancellationToken">Ends the wait at any time; the run stops when nobody wants any of its pictures.</param>
    /// <returns>The embedding: d numbers, or as many as <paramref name="kind"/> has.</returns>
    /// <exception cref="QueueFullException">Too many pictures wait already; nothing was done for this one.</exception>
    /// <exception cref="ImageFormatException">The file is not a picture that can be decoded.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="PixioException">The device failed, or has too little memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of, before the call or while it waited.</exception>
    public Task<float[]> EmbedAsync(string path, EmbeddingKind kind = EmbeddingKind.Pooler, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _ = EmbeddingKinds.OutputOf(kind);
        return Service().EmbedAsync(() => Decode(path), kind, cancellationToken);
    }

    /// <summary>Embeds an encoded picture, together with those of other callers; else as
    /// <see cref="EmbedAsync(string, EmbeddingKind, CancellationToken)"/>.</summary>
    /// <param name="encoded">The whole file; not to change before the task has ended.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <param name="kind">Which embedding.</param>
    /// <param name="cancellationToken">Ends the wait at any time.</param>
    /// <returns>The embedding: d numbers, or as many as <paramref name="kind"/> has.</returns>
    /// <exception cref="QueueFullException">Too many pictures wait already.</exception>
    /// <exception cref="ImageFormatException">It is not a picture that can be decoded.</exception>
    /// <exception cref="PixioException">The device failed, or has too little memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public Task<float[]> EmbedAsync(
        ReadOnlyMemory<byte> encoded, string name, EmbeddingKind kind = EmbeddingKind.Pooler, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        _ = EmbeddingKinds.OutputOf(kind);
        return Service().EmbedAsync(() => Decode(encoded.Span, name), kind, cancellationToken);
    }

    /// <summary>Embeds a decoded picture, together with those of other callers; else as
    /// <see cref="EmbedAsync(string, EmbeddingKind, CancellationToken)"/>.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="kind">Which embedding.</param>
    /// <param name="cancellationToken">Ends the wait at any time.</param>
    /// <returns>The embedding: d numbers, or as many as <paramref name="kind"/> has.</returns>
    /// <exception cref="QueueFullException">Too many pictures wait already.</exception>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    /// <exception cref="PixioException">The device failed, or has too little memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public Task<float[]> EmbedAsync(RgbImage image, EmbeddingKind kind = EmbeddingKind.Pooler, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        _ = EmbeddingKinds.OutputOf(kind);
        return Service().EmbedAsync(() => image, kind, cancellationToken);
    }

    /// <summary>Embeds pixel values, together with those of other callers; else as
    /// <see cref="EmbedAsync(string, EmbeddingKind, CancellationToken)"/>.</summary>
    /// <param name="pixels">pixel_values [C, H, W] of one picture, normalised, row-major; not to change before the task has ended.</param>
    /// <param name="size">H and W, multiples of the patch size.</param>
    /// <param name="kind">Which embedding.</param>
    /// <param name="cancellationToken">Ends the wait at any time.</param>
    /// <returns>The embedding: d numbers, or as many as <paramref name="kind"/> has.</returns>
    /// <exception cref="ArgumentException">The sides are not multiples of the patch size, or the pixel values are not as many as they
    /// say.</exception>
    /// <exception cref="QueueFullException">Too many pictures wait already.</exception>
    /// <exception cref="PixioException">The device failed, or has too little memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public Task<float[]> EmbedAsync(
        ReadOnlyMemory<float> pixels, ImageSize size, EmbeddingKind kind = EmbeddingKind.Pooler, CancellationToken cancellationToken = default)
    {
        _ = EmbeddingKinds.OutputOf(kind);
        Config.GridFor(size);
        if (pixels.Length != Config.Channels * size.Area)
        {
            throw new ArgumentException(
                $"A picture of {size} with {Config.Channels} channels takes {Config.Channels * size.Area} pixel values, but {pixels.Length} were given.",
                nameof(pixels));
        }

        return Service().EmbedAsync(pixels, new BatchKey(kind, size), cancellationToken);
    }

    /// <summary>Made when it is first wanted: a host that never calls EmbedAsync has no threads for it.</summary>
    private EmbedService Service()
    {
        if (Volatile.Read(ref _service) is EmbedService service)
            return service;
        lock (_serviceLock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _service ??= new EmbedService(this, _options.Batching, _telemetry, _logger, ConcurrentRuns);
        }
    }
}
