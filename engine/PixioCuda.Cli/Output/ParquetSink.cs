using Parquet;
using Parquet.Schema;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Output;

/// <summary>A row for each picture as .parquet: <c>id</c>, <c>embedding</c> (null where the picture failed) and <c>error</c> (null where it
/// did not); how it was made is in the file's own metadata. Nothing is compressed: embeddings do not get smaller by it.</summary>
internal sealed class ParquetSink : IFeatureSink
{
    /// <summary>Rows of a row group: cut by count, so that the same pictures give the same bytes.</summary>
    public const int GroupRows = 1000;

    private readonly FeatureFormat _format;
    private readonly OutputFile _file;
    private readonly ParquetWriter _writer;
    private readonly DataField<string> _idField = new("id", nullable: false);
    private readonly ParquetEmbeddings _embeddings;
    private readonly DataField<string> _errorField = new("error", nullable: true);
    private readonly List<string> _ids = [];
    private readonly List<string?> _errors = [];
    private int? _length;

    public ParquetSink(string path, FeatureFormat format)
    {
        _format = format;
        _embeddings = format.DType == DType.F16 ? new HalfEmbeddings("embedding") : new FloatEmbeddings("embedding");
        _file = OutputFile.Create(path);
        try
        {
            ParquetSchema schema = new(_idField, _embeddings.Field, _errorField);
            ParquetOptions options = new() { CompressionMethod = CompressionMethod.None, DictionaryEncodingThreshold = 0 };
            _writer = ParquetWriter.CreateAsync(schema, _file.Content, options).GetAwaiter().GetResult();
            _writer.CustomMetadata = format.Stamp.ToMetadata();
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public void Add(string picture, IReadOnlyList<FeatureTensor> tensors)
    {
        ReadOnlySpan<float> values = tensors[0].Values.Span;
        _length ??= values.Length;
        if (values.Length != _length)
            throw new InputException($"The embedding of {picture} has {values.Length} numbers, those before it {_length}.");
        _format.RequireRange(picture, tensors[0]);
        _embeddings.Add(values);
        EndRow(picture, null);
    }

    public void AddFailure(FailedPicture failure)
    {
        _embeddings.AddNull();
        EndRow(failure.Id, failure.Reason);
    }

    public void Complete()
    {
        if (_ids.Count > 0)
            WriteGroup();
        _writer.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _file.Commit();
    }

    public void Dispose() => _file.Dispose();

    private void EndRow(string id, string? error)
    {
        _ids.Add(id);
        _errors.Add(error);
        if (_ids.Count == GroupRows)
            WriteGroup();
    }

    private void WriteGroup()
    {
        WriteGroupAsync().GetAwaiter().GetResult();
        _ids.Clear();
        _errors.Clear();
        _embeddings.Clear();
    }

    private async Task WriteGroupAsync()
    {
        using ParquetRowGroupWriter group = _writer.CreateRowGroup();
        await group.WriteAsync(_idField, _ids).ConfigureAwait(false);
        await _embeddings.WriteAsync(group).ConfigureAwait(false);
        await group.WriteAsync(_errorField, _errors!).ConfigureAwait(false);
        group.CompleteValidate();
    }
}
