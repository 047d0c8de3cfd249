using System.Buffers.Binary;
using System.Text;

namespace PixioCuda.Weights;

/// <summary>
/// Writes one float32 array as NumPy's .npy, version 1.0, C order (numpy.lib.format). The values are appended block by block; the file
/// appears under its name only when <see cref="Complete"/> is called; an earlier file stays until then.
/// </summary>
public sealed class NpyWriter : IDisposable
{
    private const int DataAlignment = 64;

    private readonly AtomicFile _file;
    private readonly FloatBlockWriter _writer;
    private readonly DType _dtype;
    private readonly long _elementCount;

    // Of an array that grows: the shape of one row, whose number is known only in the end.
    private readonly long[]? _rowShape;
    private long _written;

    private NpyWriter(AtomicFile file, DType dtype, long elementCount, long[]? rowShape = null)
    {
        _file = file;
        _writer = new FloatBlockWriter(file);
        _dtype = dtype;
        _elementCount = elementCount;
        _rowShape = rowShape;
    }

    private static ReadOnlySpan<byte> MagicAndVersion => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0];

    /// <summary>Begins a file.</summary>
    /// <param name="path">What the file will be called; its folder must exist.</param>
    /// <param name="shape">The array's dimensions, outermost first; none for a single value.</param>
    /// <exception cref="ArgumentException">A dimension is negative, or there are too many for the format.</exception>
    /// <exception cref="IOException">The file cannot be created, or the disk is full.</exception>
    public static NpyWriter Create(string path, params ReadOnlySpan<long> shape)
    {
        long elementCount = 1;
        foreach (long dimension in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(dimension, nameof(shape));
            elementCount = checked(elementCount * dimension);
        }

        byte[] header = BuildHeader(DType.F32, shape);
        return Begin(path, header, checked(elementCount * sizeof(float)), file => new NpyWriter(file, DType.F32, elementCount));
    }

    /// <summary>Begins a file of rows whose number is not known yet; <see cref="Complete"/> writes it into the header, for which enough room
    /// is left.</summary>
    /// <param name="path">What the file will be called; its folder must exist.</param>
    /// <param name="dtype">How values are stored: F32, or F16, rounded to nearest, ties to even.</param>
    /// <param name="rowShape">One row's dimensions, outermost first.</param>
    /// <exception cref="IOException">The file cannot be created, or the disk is full.</exception>
    internal static NpyWriter CreateGrowing(string path, DType dtype, ReadOnlySpan<long> rowShape)
    {
        long[] shape = rowShape.ToArray();
        byte[] header = BuildHeader(dtype, [long.MaxValue, .. shape]);
        return Begin(path, header, 0, file => new NpyWriter(file, dtype, long.MaxValue, shape));
    }

    /// <summary>Writes a whole array.</summary>
    /// <param name="path">What the file will be called; its folder must exist.</param>
    /// <param name="values">The elements, row-major.</param>
    /// <param name="shape">The array's dimensions, outermost first.</param>
    /// <exception cref="ArgumentException">The shape does not have as many elements as there are values.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, ReadOnlySpan<float> values, params ReadOnlySpan<long> shape)
    {
        using NpyWriter writer = Create(path, shape);
        if (values.Length != writer._elementCount)
            throw new ArgumentException($"{values.Length} values do not fill an array of {writer._elementCount}.", nameof(values));
        writer.Append(values);
        writer.Complete();
    }

    /// <summary>Appends values.</summary>
    /// <param name="values">The next elements, row-major.</param>
    /// <exception cref="ArgumentException">The array takes fewer values.</exception>
    public void Append(ReadOnlySpan<float> values)
    {
        if (values.Length > _elementCount - _written)
        {
            throw new ArgumentException(
                $"Cannot append {values.Length} values: the array takes {_elementCount - _written} more.", nameof(values));
        }

        _writer.Append(_dtype, values);
        _written += values.Length;
    }

    /// <summary>Flushes the file to the disk and gives it its name.</summary>
    /// <exception cref="InvalidOperationException">The array is not complete.</exception>
    public void Complete()
    {
        if (_rowShape is not null)
            WriteRowCount(_rowShape);
        else if (_written != _elementCount)
            throw new InvalidOperationException($"The file is not complete: the array has {_written} of {_elementCount} values.");
        _file.Commit();
    }

    /// <summary>Closes the file; unless it was completed, nothing of it stays.</summary>
    public void Dispose() => _file.Dispose();

    private static NpyWriter Begin(string path, byte[] header, long contentBytes, Func<AtomicFile, NpyWriter> create)
    {
        AtomicFile file = AtomicFile.Create(path, contentBytes == 0 ? 0 : checked(header.Length + contentBytes));
        try
        {
            file.Append(header);
            return create(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private void WriteRowCount(long[] rowShape)
    {
        long rowLength = rowShape.Aggregate(1L, (product, dimension) => product * dimension);
        if (rowLength > 0 && _written % rowLength != 0)
            throw new InvalidOperationException($"The file is not complete: {_written} values are no whole rows of {rowLength}.");
        byte[] header = BuildHeader(_dtype, [long.MaxValue, .. rowShape]);
        byte[] final = BuildHeader(_dtype, [rowLength > 0 ? _written / rowLength : 0, .. rowShape], header.Length);
        _file.Overwrite(0, final);
    }

    private static byte[] BuildHeader(DType dtype, ReadOnlySpan<long> shape, int leastBytes = 0)
    {
        string descr = dtype == DType.F16 ? "<f2" : "<f4";
        var dictionary = new StringBuilder($"{{'descr': '{descr}', 'fortran_order': False, 'shape': (");
        for (int i = 0; i < shape.Length; i++)
            dictionary.Append(i == 0 ? "" : ", ").Append(shape[i]);
        // Python's tuple of one.
        dictionary.Append(shape.Length == 1 ? ",), }" : "), }");

        int textStart = MagicAndVersion.Length + sizeof(ushort);
        int end = textStart + dictionary.Length + 1;
        int padded = Math.Max((end + DataAlignment - 1) / DataAlignment * DataAlignment, leastBytes);
        if (padded - textStart > ushort.MaxValue)
            throw new ArgumentException("A .npy file of version 1.0 does not have that many config.", nameof(shape));

        byte[] header = new byte[padded];
        MagicAndVersion.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(MagicAndVersion.Length), (ushort)(padded - textStart));
        header.AsSpan(textStart).Fill((byte)' ');
        Encoding.ASCII.GetBytes(dictionary.ToString(), header.AsSpan(textStart));
        header[^1] = (byte)'\n';
        return header;
    }
}
