using System.Buffers;
using System.Diagnostics;

namespace PixioCuda.Batching;

/// <summary>What requests must have in common to share a run.</summary>
internal readonly record struct BatchKey(EmbeddingKind Kind, ImageSize Size);

/// <summary>One picture on its way through the queue. Its state is guarded by the queue's lock.</summary>
internal sealed class EmbedRequest
{
    // Continuations never run on a thread of the queue: what a caller does next must not hold up the others.
    private readonly TaskCompletionSource<float[]> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[]? _rented;

    /// <summary>A picture as bytes; 4 times smaller than its pixel values, which are made when its batch is.</summary>
    /// <param name="key">Kind and size.</param>
    /// <param name="rented">[height, width, 3], from the shared pool, which gets it back.</param>
    /// <param name="context">The trace that the request belongs to.</param>
    public EmbedRequest(BatchKey key, byte[] rented, ActivityContext context) : this(key, context) => _rented = rented;

    /// <summary>A picture as pixel values, which stay the caller's.</summary>
    /// <param name="key">Kind and size.</param>
    /// <param name="pixels">[channels, height, width].</param>
    /// <param name="context">The trace that the request belongs to.</param>
    public EmbedRequest(BatchKey key, ReadOnlyMemory<float> pixels, ActivityContext context) : this(key, context) => Pixels = pixels;

    private EmbedRequest(BatchKey key, ActivityContext context)
    {
        Key = key;
        Context = context;
        Node = new LinkedListNode<EmbedRequest>(this);
    }

    public BatchKey Key { get; }

    public ActivityContext Context { get; }

    /// <summary>Its place among those of its key; in a list while it waits.</summary>
    public LinkedListNode<EmbedRequest> Node { get; }

    /// <summary>The run that it is part of, from when that is put together.</summary>
    public EmbedBatch? Batch { get; set; }

    /// <summary>When it became ready to run, by <see cref="Stopwatch"/>.</summary>
    public long ReadyTimestamp { get; set; }

    /// <summary>Pixel values, or empty where it came as bytes.</summary>
    public ReadOnlyMemory<float> Pixels { get; }

    /// <summary>[height, width, 3], or null where it came as pixel values.</summary>
    public byte[]? Rgb => _rented;

    /// <summary>The embedding, when it is there.</summary>
    public Task<float[]> Completion => _completion.Task;

    public void SetResult(float[] embedding) => _completion.TrySetResult(embedding);

    public void SetException(Exception exception) => _completion.TrySetException(exception);

    public void SetCanceled(CancellationToken cancellationToken) => _completion.TrySetCanceled(cancellationToken);

    /// <summary>Gives its memory back. Whoever took the request out of its list does that, once nobody reads from it.</summary>
    public void ReturnMemory()
    {
        if (Interlocked.Exchange(ref _rented, null) is byte[] rented)
            ArrayPool<byte>.Shared.Return(rented);
    }
}

/// <summary>Requests that run together.</summary>
internal sealed class EmbedBatch(BatchKey key, EmbedRequest[] requests) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private int _wanted = requests.Length;

    public BatchKey Key { get; } = key;

    public EmbedRequest[] Requests { get; } = requests;

    /// <summary>Cancelled when nobody wants any of its results any more.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>One of its callers has gone.</summary>
    /// <returns>Whether it was the last one; <see cref="Abandon"/> is then due.</returns>
    public bool RemoveOne() => Interlocked.Decrement(ref _wanted) == 0;

    public void Abandon()
    {
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended in the meantime.
        }
    }

    public void Dispose() => _stop.Dispose();
}
