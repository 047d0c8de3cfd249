using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace PixioCuda.Extensions.AI;

/// <summary>Whether the model answers: one picture of the smallest size goes through the queue and a run. Unhealthy where that fails or takes
/// longer than the check's time-out, degraded where the queue is full.</summary>
internal sealed class PixioHealthCheck(PixioModel model) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        Dictionary<string, object> data = new()
        {
            ["model"] = model.Name,
            ["device"] = model.Device,
            ["queue"] = model.QueueLength,
        };
        try
        {
            ImageSize size = model.Config.PatchSize;
            float[] embedding = await model.EmbedAsync(
                new float[model.Config.Channels * size.Area], size, EmbeddingKind.Pooler, cancellationToken).ConfigureAwait(false);
            return embedding.All(float.IsFinite)
                ? HealthCheckResult.Healthy($"{model.Name} answers.", data)
                : new HealthCheckResult(context.Registration.FailureStatus, $"{model.Name} gives numbers that are not finite.", data: data);
        }
        catch (QueueFullException exception)
        {
            return HealthCheckResult.Degraded(exception.Message, exception, data);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, exception.Message, exception, data);
        }
    }
}
