using System.Runtime.ExceptionServices;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Pipeline;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Pictures;

/// <summary>A model that was loaded, and what outputs tell it by.</summary>
/// <param name="Model">Disposed of with this.</param>
/// <param name="Hash">As <see cref="ModelHash"/>; empty where it was not asked for.</param>
internal sealed record LoadedModel(PixioModel Model, string Hash) : IDisposable
{
    /// <summary>Loads a model and computes its hash at the same time.</summary>
    public static LoadedModel Load(
        string name, PixioModelOptions options, Messages messages, bool withHash, CancellationToken cancellationToken)
    {
        string path = ModelOptions.Find(name, messages, cancellationToken);
        using var stopHash = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<string> hash = withHash ? Task.Run(() => ModelHash.Compute(path, stopHash.Token), CancellationToken.None) : Task.FromResult("");
        PixioModel? model = null;
        try
        {
            model = ModelOptions.Load(path, options, messages, cancellationToken);
            return new LoadedModel(model, hash.GetAwaiter().GetResult());
        }
        catch
        {
            model?.Dispose();
            stopHash.Cancel();
            // Nothing reads the model's files any more when this returns; what it says of them has been said.
            ((IAsyncResult)hash).AsyncWaitHandle.WaitOne();
            throw;
        }
    }

    /// <summary>Loads a model beside a pipeline that decodes already; where one bad picture is enough to end all, it ends that too.</summary>
    /// <exception cref="Exception">The first picture's failure, as it is.</exception>
    public static LoadedModel Beside(
        PicturePipeline pipeline, string name, PixioModelOptions options, Messages messages, bool withHash, bool failFast,
        CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, failFast ? pipeline.AnyFailure : CancellationToken.None);
        try
        {
            return Load(name, options, messages, withHash, stop.Token);
        }
        catch (OperationCanceledException) when (failFast && pipeline.FirstFailure is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
            throw;
        }
    }

    public void Dispose() => Model.Dispose();
}
