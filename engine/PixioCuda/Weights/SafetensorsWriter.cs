using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;

namespace PixioCuda.Weights;

/// <summary>
/// Writes a safetensors file. The tensors are declared first, then their values are appended in that order, block by block, so that a
/// file may be larger than memory. The file appears under its name only when <see cref="Complete"/> is called; an earlier file stays
/// until then.
/// </summary>
public sealed class SafetensorsWriter : IDisposable
{
    private const int HeaderAlignment = 8;

    private readonly AtomicFile _file;
    private readonly FloatBlockWriter _writer;
    private readonly TensorInfo[] _tensors;
    private int _current;
    private long _written;

    private SafetensorsWriter(AtomicFile file, TensorInfo[] tensors)
    {
        _file = file;
        _writer = new FloatBlockWriter(file);
        _tensors = tensors;
    }

    /// <summary>Begins a file.</summary>
    /// <param name="path">What the file will be called; its folder must exist.</param>
    /// <param name="tensors">The tensors in the order in which their values will come; names differ, and the types say how they are
    /// stored.</param>
    /// <param name="metadata">Free-form strings for the header.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, a shape is negative, or the header would be longer than the format
    /// allows.</exception>
    /// <exception cref="IOException">The file cannot be created, or the disk is full.</exception>
    public static SafetensorsWriter Create(
        string path, IEnumerable<TensorInfo> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        TensorInfo[] list = [.. tensors];
        byte[] header = BuildHeader(list, metadata);
        AtomicFile file = AtomicFile.Create(path, checked(header.Length + list.Sum(tensor => tensor.ByteCount())));
        try
        {
            file.Append(header);
            return new SafetensorsWriter(file, list);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Appends values to a tensor, rounded to nearest even where it is stored in half precision.</summary>
    /// <param name="name">The tensor: the first declared one that is not yet full.</param>
    /// <param name="values">Its next elements, row-major.</param>
    /// <exception cref="ArgumentException">It is another tensor's turn, or the tensor takes fewer values.</exception>
    public void Append(string name, ReadOnlySpan<float> values)
    {
        if (Turn(name, values.Length) is not TensorInfo tensor)
            return;
        _writer.Append(tensor.DType, values);
        _written += values.Length;
    }

    /// <summary>Appends elements that already are what the tensor stores.</summary>
    /// <param name="name">As for <see cref="Append"/>.</param>
    /// <param name="elements">A whole number of elements, little-endian.</param>
    internal void AppendStored(string name, ReadOnlySpan<byte> elements)
    {
        SkipFullTensors();
        int elementBytes = _current < _tensors.Length ? _tensors[_current].DType.ElementBytes() : 1;
        int count = elements.Length / elementBytes;
        if (Turn(name, count) is null)
            return;
        _file.Append(elements[..(count * elementBytes)]);
        _written += count;
    }

    /// <summary>The tensor that some more elements belong to; null where there is nothing to write.</summary>
    private TensorInfo? Turn(string name, int count)
    {
        SkipFullTensors();
        if (_current == _tensors.Length || _tensors[_current].Name != name)
        {
            // An empty block for an empty tensor is what a loop over the tensors gives; it has nothing to write.
            if (count == 0 && _tensors.Any(tensor => tensor.Name == name && tensor.ElementCount == 0))
                return null;
            string turn = _current == _tensors.Length
                ? "every tensor is complete"
                : $"it is the turn of {MessageText.Quote(_tensors[_current].Name)}";
            throw new ArgumentException($"Cannot append to the tensor {MessageText.Quote(name)}: {turn}.", nameof(name));
        }

        TensorInfo current = _tensors[_current];
        return count <= current.ElementCount - _written
            ? current
            : throw new ArgumentException(
                $"Cannot append {count} values to the tensor {MessageText.Quote(name)}: it takes {current.ElementCount - _written} more.",
                nameof(count));
    }

    /// <summary>Flushes the file to the disk and gives it its name.</summary>
    /// <exception cref="InvalidOperationException">A tensor is not complete.</exception>
    public void Complete()
    {
        SkipFullTensors();
        if (_current < _tensors.Length)
        {
            TensorInfo tensor = _tensors[_current];
            throw new InvalidOperationException($"The file is not complete: the tensor {MessageText.Quote(tensor.Name)} has {_written} of "
                + $"{tensor.ElementCount} values.");
        }

        _file.Commit();
    }

    /// <summary>Closes the file; unless it was completed, nothing of it stays.</summary>
    public void Dispose() => _file.Dispose();

    private void SkipFullTensors()
    {
        while (_current < _tensors.Length && _written == _tensors[_current].ElementCount)
        {
            _current++;
            _written = 0;
        }
    }

    private static byte[] BuildHeader(TensorInfo[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        buffer.Write(stackalloc byte[SafetensorsHeader.LengthBytes]);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(SafetensorsHeaderJson.MetadataName);
                foreach ((string key, string value) in metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            HashSet<string> names = [SafetensorsHeaderJson.MetadataName];
            long begin = 0;
            foreach (TensorInfo tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                    throw new ArgumentException($"The name {MessageText.Quote(tensor.Name)} is taken.", nameof(tensors));
                long end = checked(begin + tensor.ByteCount());
                WriteTensor(json, tensor, begin, end);
                begin = end;
            }

            json.WriteEndObject();
        }

        while (buffer.WrittenCount % HeaderAlignment != 0)
            buffer.Write(" "u8);
        byte[] header = buffer.WrittenSpan.ToArray();
        int length = header.Length - SafetensorsHeader.LengthBytes;
        if (length > SafetensorsHeader.MaxBytes)
        {
            throw new ArgumentException(
                $"{tensors.Length} tensors need a header of {length} bytes, more than the {SafetensorsHeader.MaxBytes} "
                + "that the format allows.", nameof(tensors));
        }

        BinaryPrimitives.WriteInt64LittleEndian(header, length);
        return header;
    }

    private static void WriteTensor(Utf8JsonWriter json, TensorInfo tensor, long begin, long end)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", SafetensorsDType.Name(tensor.DType));
        json.WriteStartArray("shape");
        foreach (long dimension in tensor.Shape)
        {
            if (dimension < 0)
                throw new ArgumentException($"The tensor {MessageText.Quote(tensor.Name)} has a negative dimension.", nameof(tensor));
            json.WriteNumberValue(dimension);
        }

        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
