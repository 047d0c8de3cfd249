using System.Buffers.Binary;
using Parquet;
using Parquet.Schema;

namespace PixioCuda.Cli.Output;

/// <summary>The column of embeddings of a .parquet file, a row group at a time.</summary>
internal abstract class ParquetEmbeddings
{
    /// <summary>The column.</summary>
    public abstract Field Field { get; }

    /// <summary>A row.</summary>
    public abstract void Add(ReadOnlySpan<float> values);

    /// <summary>The row of a picture that has none.</summary>
    public abstract void AddNull();

    /// <summary>Writes the rows.</summary>
    public abstract Task WriteAsync(ParquetRowGroupWriter group);

    /// <summary>Forgets the rows.</summary>
    public abstract void Clear();
}

/// <summary>float32: a list of floats in each row.</summary>
internal sealed class FloatEmbeddings : ParquetEmbeddings
{
    // Levels of a column of optional lists of required values: a value, and a list that is null.
    private const int ValueLevel = 2;
    private const int NullLevel = 0;

    private readonly DataField<float> _value = new("element", nullable: false);
    private readonly List<float> _values = [];
    private readonly List<int> _definitionLevels = [];
    private readonly List<int> _repetitionLevels = [];

    public FloatEmbeddings(string name) => Field = new ListField(name, _value);

    public override Field Field { get; }

    public override void Add(ReadOnlySpan<float> values)
    {
        _values.AddRange(values);
        for (int i = 0; i < values.Length; i++)
        {
            _definitionLevels.Add(ValueLevel);
            _repetitionLevels.Add(i == 0 ? 0 : 1);
        }
    }

    public override void AddNull()
    {
        _definitionLevels.Add(NullLevel);
        _repetitionLevels.Add(0);
    }

    public override Task WriteAsync(ParquetRowGroupWriter group) => group.WriteAllPartsAsync<float>(
        _value, _values.ToArray(), _definitionLevels.ToArray(), _repetitionLevels.ToArray(), CancellationToken.None);

    public override void Clear()
    {
        _values.Clear();
        _definitionLevels.Clear();
        _repetitionLevels.Clear();
    }
}

/// <summary>float16: bytes in each row, two for each number, little-endian, as numpy.frombuffer(row, "&lt;f2") reads them. Parquet has a type
/// for half precision, but neither what writes here nor many readers know it.</summary>
internal sealed class HalfEmbeddings(string name) : ParquetEmbeddings
{
    private readonly DataField<byte[]> _field = new(name, nullable: true);
    private readonly List<byte[]?> _rows = [];

    public override Field Field => _field;

    public override void Add(ReadOnlySpan<float> values)
    {
        byte[] row = new byte[2 * values.Length];
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteHalfLittleEndian(row.AsSpan(2 * i), (Half)values[i]);
        _rows.Add(row);
    }

    public override void AddNull() => _rows.Add(null);

    public override Task WriteAsync(ParquetRowGroupWriter group) => group.WriteAsync(_field, _rows!);

    public override void Clear() => _rows.Clear();
}
