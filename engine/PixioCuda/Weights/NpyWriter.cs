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
    private readonly long _elementCount;
    private long _written;

    private NpyWriter(AtomicFile file, long elementCount)
    {
        _file = file;
        _writer = new FloatBlockWriter(file);
        _elementCount = elementCount;
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

        byte[] header = BuildHeader(shape);
        AtomicFile file = AtomicFile.Create(path, checked(header.Length + elementCount * sizeof(float)));
        try
        {
            file.Append(header);
            return new NpyWriter(file, elementCount);
        }
        catch
        {
            file.Dispose();
            throw;
        }
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

        _writer.Append(DType.F32, values);
        _written += values.Length;
    }

    /// <summary>Flushes the file to the disk and gives it its name.</summary>
    /// <exception cref="InvalidOperationException">The array is not complete.</exception>
    public void Complete()
    {
        if (_written != _elementCount)
            throw new InvalidOperationException($"The file is not complete: the array has {_written} of {_elementCount} values.");
        _file.Commit();
    }

    /// <summary>Closes the file; unless it was completed, nothing of it stays.</summary>
    public void Dispose() => _file.Dispose();

    private static byte[] BuildHeader(ReadOnlySpan<long> shape)
    {
        var dictionary = new StringBuilder("{'descr': '<f4', 'fortran_order': False, 'shape': (");
        for (int i = 0; i < shape.Length; i++)
            dictionary.Append(i == 0 ? "" : ", ").Append(shape[i]);
        // Python's tuple of one.
        dictionary.Append(shape.Length == 1 ? ",), }" : "), }");

        int textStart = MagicAndVersion.Length + sizeof(ushort);
        int end = textStart + dictionary.Length + 1;
        int padded = (end + DataAlignment - 1) / DataAlignment * DataAlignment;
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
