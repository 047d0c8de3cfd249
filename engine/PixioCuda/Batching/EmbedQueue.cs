using System.Diagnostics;

namespace PixioCuda.Batching;

/// <summary>Pictures that wait to be run together. Bounded; first ready, first served: the picture that has waited longest decides what runs
/// next, so that no size and no kind can starve another. Thread-safe.</summary>
internal sealed class EmbedQueue(BatchingOptions options)
{
    private readonly object _lock = new();
    private readonly Dictionary<BatchKey, LinkedList<EmbedRequest>> _waiting = [];
    private int _held;
    private bool _isClosed;

    /// <summary>How many pictures are being prepared or wait.</summary>
    public int Count => Volatile.Read(ref _held);

    /// <summary>Takes a place in the queue, for a picture that has yet to be prepared.</summary>
    /// <returns>False where there is none.</returns>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public bool TryReserve()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(PixioModel));
            if (_held >= options.MaxQueued)
                return false;
            _held++;
            return true;
        }
    }

    /// <summary>Gives a place back whose picture could not be prepared.</summary>
    public void Release()
    {
        lock (_lock)
            _held--;
    }

    /// <summary>Puts a prepared picture into the place that was reserved for it.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed of; the place and the memory have been given back.</exception>
    public void Enqueue(EmbedRequest request)
    {
        lock (_lock)
        {
            if (!_isClosed)
            {
                request.ReadyTimestamp = Stopwatch.GetTimestamp();
                if (!_waiting.TryGetValue(request.Key, out LinkedList<EmbedRequest>? list))
                    _waiting.Add(request.Key, list = new LinkedList<EmbedRequest>());
                list.AddLast(request.Node);
                Monitor.PulseAll(_lock);
                return;
            }

            _held--;
        }

        request.ReturnMemory();
        throw new ObjectDisposedException(typeof(PixioModel).FullName);
    }

    /// <summary>The caller of a request has gone: it leaves the queue, or its run goes on without it.</summary>
    public void Cancel(EmbedRequest request, CancellationToken cancellationToken)
    {
        EmbedBatch? abandoned = null;
        lock (_lock)
        {
            if (request.Node.List is LinkedList<EmbedRequest> list)
            {
                Remove(request, list);
                request.ReturnMemory();
            }
            else if (request.Batch is EmbedBatch batch && batch.RemoveOne())
            {
                abandoned = batch;
            }
        }

        // Outside of the lock: what is registered on the token runs in there.
        abandoned?.Abandon();
        request.SetCanceled(cancellationToken);
    }

    /// <summary>Waits until there is something to run.</summary>
    /// <param name="largestBatchOf">The most pictures of a size that may run together; at least 1.</param>
    /// <returns>The next batch, or null when the queue was closed.</returns>
    public EmbedBatch? Take(Func<ImageSize, int> largestBatchOf)
    {
        lock (_lock)
        {
            while (!_isClosed)
            {
                TimeSpan patience = Timeout.InfiniteTimeSpan;
                if (Next(largestBatchOf, ref patience) is LinkedList<EmbedRequest> list)
                    return TakeFrom(list, largestBatchOf(list.First!.Value.Key.Size));
                Monitor.Wait(_lock, patience);
            }

            return null;
        }
    }

    /// <summary>Takes no more pictures, and ends the wait of those that are there.</summary>
    public void Close()
    {
        List<EmbedRequest> left = [];
        lock (_lock)
        {
            _isClosed = true;
            foreach (LinkedList<EmbedRequest> list in _waiting.Values)
            {
                left.AddRange(list);
                _held -= list.Count;
                list.Clear();
            }

            _waiting.Clear();
            Monitor.PulseAll(_lock);
        }

        foreach (EmbedRequest request in left)
        {
            request.ReturnMemory();
            request.SetException(new ObjectDisposedException(typeof(PixioModel).FullName));
        }
    }

    /// <summary>The list to take from now: the one whose first picture has waited its time, the longest of them first; else a full one.
    /// Where there is neither, how long until the first picture's time is up.</summary>
    private LinkedList<EmbedRequest>? Next(Func<ImageSize, int> largestBatchOf, ref TimeSpan patience)
    {
        LinkedList<EmbedRequest>? oldest = null, oldestFull = null;
        foreach ((BatchKey key, LinkedList<EmbedRequest> list) in _waiting)
        {
            if (IsBefore(list, oldest))
                oldest = list;
            if (list.Count >= largestBatchOf(key.Size) && IsBefore(list, oldestFull))
                oldestFull = list;
        }

        if (oldest is null)
            return null;
        TimeSpan left = options.MaxDelay - Stopwatch.GetElapsedTime(oldest.First!.Value.ReadyTimestamp);
        if (left <= TimeSpan.Zero)
            return oldest;
        // Whole milliseconds are what a wait is counted in: rounded up, it does not end early over and over.
        patience = TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds));
        return oldestFull;
    }

    private static bool IsBefore(LinkedList<EmbedRequest> list, LinkedList<EmbedRequest>? other) =>
        other is null || list.First!.Value.ReadyTimestamp < other.First!.Value.ReadyTimestamp;

    /// <summary>Takes a full batch, or as many as the largest power of two that there are: so that a handful of plans serves every number,
    /// and nothing is computed for nobody. The rest stays first in line.</summary>
    private EmbedBatch TakeFrom(LinkedList<EmbedRequest> list, int largestBatch)
    {
        int count = list.Count >= largestBatch ? largestBatch : 1 << int.Log2(list.Count);
        EmbedRequest[] requests = new EmbedRequest[count];
        for (int index = 0; index < count; index++)
        {
            requests[index] = list.First!.Value;
            Remove(requests[index], list);
        }

        EmbedBatch batch = new(requests[0].Key, requests);
        foreach (EmbedRequest request in requests)
            request.Batch = batch;
        return batch;
    }

    private void Remove(EmbedRequest request, LinkedList<EmbedRequest> list)
    {
        list.Remove(request.Node);
        if (list.Count == 0)
            _waiting.Remove(request.Key);
        _held--;
    }
}
