using System.Numerics.Tensors;
using Microsoft.Extensions.AI;
using PixioCuda.Imaging;

namespace PixioCuda.Extensions.AI;

/// <summary>A model as Microsoft.Extensions.AI sees it: encoded pictures in, one vector each out. Thread-safe; the pictures of one call and
/// those of concurrent calls share the model's runs (<see cref="PixioModelOptions.Batching"/>).</summary>
public sealed class PixioEmbeddingGenerator : IEmbeddingGenerator<DataContent, Embedding<float>>
{
    private readonly bool _ownsModel;
    private readonly PixioEmbeddingOptions _options;
    private readonly EmbeddingGeneratorMetadata _metadata;

    /// <summary>Creates a generator.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">Kind and recipe; null for the defaults.</param>
    /// <param name="ownsModel">Whether disposing of the generator disposes of the model.</param>
    /// <exception cref="ArgumentException">The kind is not one vector.</exception>
    public PixioEmbeddingGenerator(PixioModel model, PixioEmbeddingOptions? options = null, bool ownsModel = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        _options = (options ?? new PixioEmbeddingOptions()).Checked();
        _ownsModel = ownsModel;
        _metadata = new EmbeddingGeneratorMetadata("pixio", providerUri: null, model.Name, DimensionsOf(_options.Kind));
    }

    /// <summary>The model.</summary>
    public PixioModel Model { get; }

    /// <summary>Embeds pictures.</summary>
    /// <param name="values">Encoded pictures (media type image/*), each a whole file. Any number: no more of them are in the queue at a time
    /// than fill two batches.</param>
    /// <param name="options">A <c>RawRepresentationFactory</c> that gives a <see cref="PixioEmbeddingOptions"/> replaces the generator's
    /// own. <c>Dimensions</c> and <c>ModelId</c>, where set, must be the model's.</param>
    /// <param name="cancellationToken">Ends the wait; the pictures of other callers go on.</param>
    /// <returns>One vector for each picture, in their order, of <c>float[d]</c>, or <c>float[n * d]</c> for
    /// <see cref="EmbeddingKind.ClsConcat"/>. Its <c>AdditionalProperties</c> name the recipe ("pixio.recipe") and the kind
    /// ("pixio.embedding_kind").</returns>
    /// <exception cref="ArgumentException">A value is no picture, or an option asks for what the model does not have.</exception>
    /// <exception cref="ImageFormatException">A picture cannot be decoded; the message has its name, or its place among the values.</exception>
    /// <exception cref="QueueFullException">Other callers fill the model's queue.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<DataContent> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        PixioEmbeddingOptions own = OptionsOf(options);
        DataContent[] contents = [.. values];
        for (int index = 0; index < contents.Length; index++)
            ThrowIfNoPicture(contents[index], index);

        // The first failure stops the rest of this call's pictures, and is the one that the caller sees.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ImageProcessor? processor = own.Recipe is null || own.Recipe.Id == Model.Recipe.Id ? null : new ImageProcessor(own.Recipe, Model.Config.Channels);
        using SemaphoreSlim places = new(Math.Min(2 * Model.Batching.MaxBatch, Model.Batching.MaxQueued));
        Task<float[]>[] tasks = new Task<float[]>[contents.Length];
        for (int index = 0; index < contents.Length; index++)
            tasks[index] = EmbedAsync(contents[index], index, own.Kind, processor, places, stop);
        float[][] vectors = await FirstFailureOf(tasks).ConfigureAwait(false);

        GeneratedEmbeddings<Embedding<float>> result = new(vectors.Length)
        {
            AdditionalProperties = new AdditionalPropertiesDictionary
            {
                ["pixio.recipe"] = (own.Recipe ?? Model.Recipe).Id,
                ["pixio.embedding_kind"] = EmbeddingKinds.NameOf(own.Kind),
            },
        };
        DateTimeOffset now = DateTimeOffset.UtcNow;
        foreach (float[] vector in vectors)
        {
            if (own.Normalize)
                Normalize(vector);
            result.Add(new Embedding<float>(vector) { CreatedAt = now, ModelId = Model.Name });
        }

        return result;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
            : serviceType == typeof(PixioModel) ? Model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Disposes of the model, if this generator owns it.</summary>
    public void Dispose()
    {
        if (_ownsModel)
            Model.Dispose();
    }

    private int DimensionsOf(EmbeddingKind kind) =>
        kind == EmbeddingKind.ClsConcat ? Model.Config.ClassTokens * Model.Config.HiddenSize : Model.Config.HiddenSize;

    private PixioEmbeddingOptions OptionsOf(EmbeddingGenerationOptions? options)
    {
        PixioEmbeddingOptions own = _options;
        if (options?.RawRepresentationFactory?.Invoke(this) is object raw)
        {
            own = (raw as PixioEmbeddingOptions ?? throw new ArgumentException(
                $"RawRepresentationFactory gave a {raw.GetType().Name}, but this generator takes {nameof(PixioEmbeddingOptions)}.", nameof(options))).Checked();
        }

        if (options?.Dimensions is int dimensions && dimensions != DimensionsOf(own.Kind))
        {
            throw new ArgumentException(
                $"{dimensions} dimensions were asked for, but the embedding {EmbeddingKinds.NameOf(own.Kind)} of {Model.Name} has {DimensionsOf(own.Kind)}.",
                nameof(options));
        }

        if (options?.ModelId is string modelId && modelId != Model.Name)
            throw new ArgumentException($"The model {modelId} was asked for, but this generator has {Model.Name}.", nameof(options));
        return own;
    }

    private static void ThrowIfNoPicture(DataContent content, int index)
    {
        if (content is null)
            throw new ArgumentException($"Value {index} is null: each value must be an encoded picture.", nameof(content));
        if (!content.HasTopLevelMediaType("image"))
            throw new ArgumentException($"Value {index} has the media type {content.MediaType}: each value must be an encoded picture (image/*).", nameof(content));
    }

    private async Task<float[]> EmbedAsync(
        DataContent content, int index, EmbeddingKind kind, ImageProcessor? processor, SemaphoreSlim places, CancellationTokenSource stop)
    {
        await places.WaitAsync(stop.Token).ConfigureAwait(false);
        try
        {
            string name = content.Name ?? FormattableString.Invariant($"value {index}");
            if (processor is null)
                return await Model.EmbedAsync(content.Data, name, kind, stop.Token).ConfigureAwait(false);
            (float[] pixels, ImageSize size) = await Task.Run(() => Process(content.Data.Span, name, processor), stop.Token).ConfigureAwait(false);
            return await Model.EmbedAsync(pixels, size, kind, stop.Token).ConfigureAwait(false);
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            places.Release();
        }
    }

    private (float[] Pixels, ImageSize Size) Process(ReadOnlySpan<byte> encoded, string name, ImageProcessor processor)
    {
        RgbImage image = Model.Decode(encoded, name);
        (int height, int width) = processor.OutputSize(image);
        ImageSize size = new(height, width);
        float[] pixels = new float[checked((int)(3 * size.Area))];
        processor.Process(image, pixels);
        return (pixels, size);
    }

    /// <summary>All results, or the failure that stopped the others rather than one of those that it stopped.</summary>
    private static async Task<float[][]> FirstFailureOf(Task<float[]>[] tasks)
    {
        try
        {
            return await Task.WhenAll(tasks).ConfigureAwait(false);
        }
        catch
        {
            if (tasks.FirstOrDefault(task => task.IsFaulted) is Task<float[]> failed)
                await failed.ConfigureAwait(false);
            throw;
        }
    }

    private static void Normalize(float[] vector)
    {
        float norm = TensorPrimitives.Norm<float>(vector);
        if (norm > 0)
            TensorPrimitives.Divide(vector, norm, vector);
    }
}
