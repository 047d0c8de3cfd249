using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PixioCuda;
using PixioCuda.Extensions.AI;

// The namespace in which hosts look for methods of IServiceCollection.
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Puts a Pixio model among a host's services.</summary>
public static class PixioServiceCollectionExtensions
{
    /// <summary>Adds a model as singletons: <see cref="PixioModel"/>, <see cref="PixioEmbeddingGenerator"/>, and
    /// <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> of <see cref="DataContent"/> and <see cref="Embedding{T}"/> of float. The model is loaded
    /// when it is first asked for, and disposed of with the container. Options are validated when the host starts.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Names the model, and sets what is to differ from the defaults.</param>
    /// <returns>The services, for further calls.</returns>
    public static IServiceCollection AddPixio(this IServiceCollection services, Action<PixioOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<PixioOptions>().Configure(configure).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PixioOptions>, PixioOptionsValidator>());
        services.TryAddSingleton(Load);
        // The container owns the model, and disposes of both.
        services.TryAddSingleton(provider => new PixioEmbeddingGenerator(
            provider.GetRequiredService<PixioModel>(), provider.GetRequiredService<IOptions<PixioOptions>>().Value.Embedding));
        services.TryAddSingleton<IEmbeddingGenerator<DataContent, Embedding<float>>>(provider => provider.GetRequiredService<PixioEmbeddingGenerator>());
        return services;
    }

    /// <summary>Adds a check that the model of <see cref="AddPixio(IServiceCollection, Action{PixioOptions})"/> answers: one picture of one patch goes through its queue and a run.
    /// Degraded where the queue is full.</summary>
    /// <param name="builder">The host's health checks.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">What a failure counts as; null for unhealthy.</param>
    /// <param name="tags">Tags to select the check by.</param>
    /// <param name="timeout">How long it may take; null for 10 seconds.</param>
    /// <returns>The health checks, for further calls.</returns>
    public static IHealthChecksBuilder AddPixio(
        this IHealthChecksBuilder builder, string name = "pixio", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(
            name, provider => new PixioHealthCheck(provider.GetRequiredService<PixioModel>()), failureStatus, tags, timeout ?? TimeSpan.FromSeconds(10)));
    }

    private static PixioModel Load(IServiceProvider provider)
    {
        PixioOptions options = provider.GetRequiredService<IOptions<PixioOptions>>().Value;
        PixioModelOptions modelOptions = options.ModelOptions;
        if (modelOptions.LoggerFactory is null)
            modelOptions = modelOptions with { LoggerFactory = provider.GetService<ILoggerFactory>() };
        return PixioModel.Load(options.Model, modelOptions, options.LoadProgress);
    }
}
