using System.Linq.Expressions;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;

namespace PixioCuda.Tests.Hosting;

/// <summary>A picture of an album, as a vector store keeps it.</summary>
internal sealed class AlbumPicture
{
    public required string Name { get; init; }

    public required DataContent Picture { get; init; }

    public ReadOnlyMemory<float> Vector { get; set; }
}

/// <summary>A collection of Microsoft.Extensions.VectorData in memory: embeds what is upserted and what is searched for by the generator that it
/// is given, as the connectors of real stores do, and compares with every record.</summary>
internal sealed class MemoryVectorCollection(IEmbeddingGenerator<DataContent, Embedding<float>> generator) : VectorStoreCollection<string, AlbumPicture>
{
    private readonly Dictionary<string, AlbumPicture> _records = [];

    public override string Name => "album";

    public override Task<bool> CollectionExistsAsync(CancellationToken cancellationToken = default) => Task.FromResult(true);

    public override Task EnsureCollectionExistsAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

    public override Task EnsureCollectionDeletedAsync(CancellationToken cancellationToken = default)
    {
        _records.Clear();
        return Task.CompletedTask;
    }

    public override Task<AlbumPicture?> GetAsync(string key, RecordRetrievalOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.FromResult(_records.GetValueOrDefault(key));

    public override async IAsyncEnumerable<AlbumPicture> GetAsync(
        Expression<Func<AlbumPicture, bool>> filter, int top, FilteredRecordRetrievalOptions<AlbumPicture>? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.CompletedTask;
        foreach (AlbumPicture record in _records.Values.Where(filter.Compile()).Take(top))
            yield return record;
    }

    public override Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        _records.Remove(key);
        return Task.CompletedTask;
    }

    public override Task UpsertAsync(AlbumPicture record, CancellationToken cancellationToken = default) => UpsertAsync([record], cancellationToken);

    public override async Task UpsertAsync(IEnumerable<AlbumPicture> records, CancellationToken cancellationToken = default)
    {
        AlbumPicture[] all = [.. records];
        GeneratedEmbeddings<Embedding<float>> embeddings = await generator.GenerateAsync(all.Select(record => record.Picture), cancellationToken: cancellationToken);
        foreach ((AlbumPicture record, Embedding<float> embedding) in all.Zip(embeddings))
        {
            record.Vector = embedding.Vector;
            _records[record.Name] = record;
        }
    }

    public override async IAsyncEnumerable<VectorSearchResult<AlbumPicture>> SearchAsync<TInput>(
        TInput searchValue, int top, VectorSearchOptions<AlbumPicture>? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        DataContent picture = searchValue as DataContent ?? throw new NotSupportedException($"Only pictures are searched for, not {typeof(TInput).Name}.");
        ReadOnlyMemory<float> wanted = await generator.GenerateVectorAsync(picture, cancellationToken: cancellationToken);
        foreach ((AlbumPicture record, float score) in _records.Values
            .Select(record => (record, TensorPrimitives.CosineSimilarity(wanted.Span, record.Vector.Span))).OrderByDescending(pair => pair.Item2).Take(top))
        {
            yield return new VectorSearchResult<AlbumPicture>(record, score);
        }
    }

    public override object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;
}
