using Microsoft.Extensions.Logging;
using PixioCuda.Diagnostics;

namespace PixioCuda.Batching;

/// <summary>Runs batches, one after another, on one thread.</summary>
internal sealed class EmbedWorker(PixioModel model, EmbedQueue queue, BatchingOptions options, ModelTelemetry telemetry, ILogger logger)
{
    // 1 GiB of pixel values: pictures that are larger than usual come in smaller batches instead of filling the memory.
    private const long MaxInputLength = 1L << 28;

    // Batches are powers of two: sizes and kinds that a host mixes, each with its handful of them.
    private const int KeptPlans = 64;

    private readonly PlanCache _plans = new(KeptPlans);
    private float[] _pixels = [];
    private float[] _outputs = [];

    /// <summary>Runs whatever the queue gives, until it is closed.</summary>
    public void Work()
    {
        while (queue.Take(LargestBatchOf) is EmbedBatch batch)
        {
            using (batch)
                Run(batch);
        }
    }

    private int LargestBatchOf(ImageSize size) =>
        (int)Math.Clamp(MaxInputLength / Math.Max(1, model.Config.Channels * size.Area), 1, options.MaxBatch);

    private void Run(EmbedBatch batch)
    {
        foreach (EmbedRequest request in batch.Requests)
            telemetry.RecordQueued(request);
        try
        {
            Run(batch, batch.Requests, batch.Stop);
        }
        catch (OperationCanceledException) when (batch.Stop.IsCancellationRequested)
        {
            // Every caller has gone, and knows.
        }
        catch (Exception exception) when (batch.Requests.Length > 1)
        {
            // What one of them brought about, or their number, is not to end the others: each gets a run and an outcome of its own.
            Log.BatchFailed(logger, model.Name, batch.Requests.Length, exception);
            foreach (EmbedRequest request in batch.Requests)
                RunAlone(batch, request);
        }
        catch (Exception exception)
        {
            batch.Requests[0].SetException(exception);
        }
        finally
        {
            foreach (EmbedRequest request in batch.Requests)
                request.ReturnMemory();
        }
    }

    private void RunAlone(EmbedBatch batch, EmbedRequest request)
    {
        try
        {
            if (!request.Completion.IsCompleted)
                Run(batch, [request], batch.Stop);
        }
        catch (OperationCanceledException) when (batch.Stop.IsCancellationRequested)
        {
            // As above.
        }
        catch (Exception exception)
        {
            request.SetException(exception);
        }
    }

    private void Run(EmbedBatch batch, EmbedRequest[] requests, CancellationToken stop)
    {
        EncoderPlan plan = _plans.GetOrAdd(new InputShape(requests.Length, batch.Key.Size), EncoderTaps.For(batch.Key.Kind), model.Plan);
        Span<float> pixels = Room(ref _pixels, plan.InputLength), outputs = Room(ref _outputs, plan.OutputLength);
        int inputLength = pixels.Length / requests.Length, outputLength = outputs.Length / requests.Length;
        using (telemetry.Time(PixioStage.Copy, requests))
        {
            for (int index = 0; index < requests.Length; index++)
                CopyPixels(requests[index], pixels.Slice(index * inputLength, inputLength));
        }

        using (telemetry.Time(PixioStage.Forward, requests))
            model.RunUntimed(pixels, plan, outputs, stop);
        telemetry.CountBatch(requests.Length);
        for (int index = 0; index < requests.Length; index++)
            requests[index].SetResult(outputs.Slice(index * outputLength, outputLength).ToArray());
    }

    private void CopyPixels(EmbedRequest request, Span<float> pixels)
    {
        if (request.Rgb is byte[] rgb)
            model.Normalize(rgb.AsSpan(0, pixels.Length), pixels);
        else
            request.Pixels.Span.CopyTo(pixels);
    }

    private static Span<float> Room(ref float[] memory, long length)
    {
        if (memory.Length < length)
            memory = GC.AllocateUninitializedArray<float>(checked((int)length));
        return memory.AsSpan(0, (int)length);
    }
}
