using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using PixioCuda.Extensions.AI;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>A model among a host's services.</summary>
public class AddPixioTests
{
    private static readonly string Model = TestData.Path("tiny");

    [Fact]
    public async Task The_container_gives_one_model_and_disposes_of_it()
    {
        PixioModel model;
        await using (ServiceProvider provider = Services(options =>
        {
            options.Model = Model;
            options.ModelOptions = new PixioModelOptions { Device = "cpu", Threads = 1 };
            options.Embedding = new PixioEmbeddingOptions { Kind = EmbeddingKind.ClsConcat };
        }))
        {
            model = provider.GetRequiredService<PixioModel>();
            IEmbeddingGenerator<DataContent, Embedding<float>> generator = provider.GetRequiredService<IEmbeddingGenerator<DataContent, Embedding<float>>>();
            Assert.Same(generator, provider.GetRequiredService<PixioEmbeddingGenerator>());
            Assert.Same(model, generator.GetService(typeof(PixioModel)));
            string cat = TestData.Path("images", "cat.png");
            ReadOnlyMemory<float> vector = await generator.GenerateVectorAsync(new DataContent(File.ReadAllBytes(cat), "image/png"));
            Assert.Equal(model.Embed(cat, EmbeddingKind.ClsConcat), vector.ToArray());
        }

        await Assert.ThrowsAsync<ObjectDisposedException>(() => model.EmbedAsync(SmallModel.Picture("after")));
    }

    [Fact]
    public void Every_fault_of_the_options_is_named_before_a_model_is_loaded()
    {
        using ServiceProvider provider = Services(options =>
        {
            options.ModelOptions = new PixioModelOptions { Device = "cpu", Batching = new BatchingOptions { MaxBatch = 0 } };
            options.Embedding = new PixioEmbeddingOptions { Kind = EmbeddingKind.Dense2d };
        });
        // What the generic host does when it starts.
        OptionsValidationException exception = Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<IStartupValidator>().Validate());
        Assert.Equal(3, exception.Failures.Count());
        Assert.Contains(exception.Failures, failure => failure.Contains("No model is named", StringComparison.Ordinal));
        Assert.Contains(exception.Failures, failure => failure.Contains("MaxBatch", StringComparison.Ordinal));
        Assert.Contains(exception.Failures, failure => failure.Contains("Dense2d", StringComparison.Ordinal));
        Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<PixioModel>());
    }

    [Theory]
    [InlineData("threads", "1025 threads")]
    [InlineData("recipe", "no recipe 'other'")]
    [InlineData("device", "no device 'tpu'")]
    public void A_wrong_model_option_is_named(string which, string words)
    {
        using ServiceProvider provider = Services(options =>
        {
            options.Model = Model;
            options.ModelOptions = which switch
            {
                "threads" => new PixioModelOptions { Device = "cpu", Threads = 1025 },
                "recipe" => new PixioModelOptions { Device = "cpu", Recipe = "other" },
                _ => new PixioModelOptions { Device = "tpu" },
            };
        });
        OptionsValidationException exception = Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<IStartupValidator>().Validate());
        Assert.Contains(words, Assert.Single(exception.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_health_check_runs_the_model()
    {
        await using ServiceProvider provider = Services(options =>
        {
            options.Model = Model;
            options.ModelOptions = new PixioModelOptions { Device = "cpu" };
        });
        HealthCheckService health = provider.GetRequiredService<HealthCheckService>();
        HealthReportEntry healthy = (await health.CheckHealthAsync()).Entries["pixio"];
        Assert.Equal(HealthStatus.Healthy, healthy.Status);
        Assert.Contains("cpu", (string)healthy.Data["device"], StringComparison.Ordinal);
        provider.GetRequiredService<PixioModel>().Dispose();
        HealthReportEntry gone = (await health.CheckHealthAsync()).Entries["pixio"];
        Assert.Equal(HealthStatus.Unhealthy, gone.Status);
    }

    [Fact]
    public async Task The_health_check_is_degraded_where_the_queue_is_full()
    {
        using HeldDecoder decoder = new();
        await using ServiceProvider provider = Services(options =>
        {
            options.Model = Model;
            options.ModelOptions = new PixioModelOptions { Device = "cpu", Decoder = decoder, Batching = new BatchingOptions { MaxQueued = 1 } };
        });
        Task<float[]> held = provider.GetRequiredService<PixioModel>().EmbedAsync(new byte[1], "held");
        HealthReportEntry entry = (await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries["pixio"];
        Assert.Equal(HealthStatus.Degraded, entry.Status);
        decoder.Release();
        await held.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static ServiceProvider Services(Action<PixioOptions> configure)
    {
        ServiceCollection services = new();
        services.AddLogging();
        services.AddPixio(configure).AddHealthChecks().AddPixio();
        return services.BuildServiceProvider();
    }
}
