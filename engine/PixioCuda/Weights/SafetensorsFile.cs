using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights;

/// <summary>
/// An open safetensors file. Its header is read and checked when it is opened; tensors are read where and when they are asked for, by
/// positioned reads and not through a memory mapping, so that a file that is cut short meanwhile gives an error and not a crash.
/// Reads may run on several threads at once.
/// </summary>
public sealed class SafetensorsFile : ITensorSource
{
    private readonly SafeFileHandle _file;
    private readonly FileStamp _stamp;
    private readonly Dictionary<string, long> _starts;

    private SafetensorsFile(string path, SafeFileHandle file, FileStamp stamp, SafetensorsHeader header)
    {
        Path = path;
        Metadata = header.Metadata;
        _file = file;
        _stamp = stamp;

        Dictionary<string, TensorInfo> tensors = new(header.Entries.Count);
        Dictionary<string, string> unsupported = [];
        _starts = new Dictionary<string, long>(header.Entries.Count);
        foreach (SafetensorsEntry entry in header.Entries)
        {
            if (SafetensorsDType.ToDType(entry.DTypeName) is { } dtype)
            {
                tensors.Add(entry.Name, new TensorInfo(entry.Name, dtype, entry.Shape));
                _starts.Add(entry.Name, header.DataStart + entry.Begin);
            }
            else
            {
                unsupported.Add(entry.Name, entry.DTypeName);
            }
        }

        Tensors = tensors;
        UnsupportedTensors = unsupported;
    }

    /// <summary>The file's path, as it was given to <see cref="Open"/>.</summary>
    public string Path { get; }

    /// <summary>The tensors of types that can be read, by name, in the order in which they lie in the file.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The names of the tensors whose type is none of <see cref="DType"/>, with that type's name.</summary>
    public IReadOnlyDictionary<string, string> UnsupportedTensors { get; }

    /// <summary>The free-form strings of the file's header.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Whether the file says that its values were made from a seed instead of trained.</summary>
    public bool IsRandom => Metadata.ContainsKey(SafetensorsMetadata.RandomWeights);

    string ITensorSource.Description => Path;

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="ModelFormatException">The file is not valid; the message names the rule that it breaks and the tensor.</exception>
    /// <exception cref="IOException">The file is not there or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        // Tensors are read nearly from end to end, and the system may read ahead accordingly.
        SafeFileHandle file = File.OpenHandle(
            path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan);
        try
        {
            return new SafetensorsFile(path, file, FileStamp.Of(file), SafetensorsHeader.Read(file, path));
        }
        catch (NotSupportedException exception)
        {
            file.Dispose();
            throw new ModelFormatException(
                $"'{path}' is a pipe or a device: copy it to a file, which can be read at any position.", exception);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads elements of a tensor as they are stored (little-endian).</summary>
    /// <param name="tensor">One of <see cref="Tensors"/>.</param>
    /// <param name="byteOffset">Where to begin, in bytes from the tensor's first element.</param>
    /// <param name="destination">Filled completely.</param>
    /// <exception cref="ModelFormatException">The file ends before the tensor does.</exception>
    /// <exception cref="ArgumentException">The tensor is not of this file.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the tensor.</exception>
    public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_starts.TryGetValue(tensor.Name, out long start))
            throw new ArgumentException($"'{Path}' holds no tensor {MessageText.Quote(tensor.Name)} that can be read.", nameof(tensor));
        TensorRange.Check(Tensors[tensor.Name], byteOffset, destination.Length);
        PositionedRead.Fill(_file, start + byteOffset, destination, Path);
    }

    /// <summary>Reads elements of a tensor, converted to float32.</summary>
    /// <param name="tensor">One of <see cref="Tensors"/>.</param>
    /// <param name="firstElement">The first element to read, as a row-major index.</param>
    /// <param name="destination">Filled completely.</param>
    /// <exception cref="ModelFormatException">The file ends before the tensor does.</exception>
    /// <exception cref="ArgumentException">The tensor is not of this file.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the tensor.</exception>
    public void ReadFloats(TensorInfo tensor, long firstElement, Span<float> destination)
        => TensorSourceExtensions.ReadFloats(this, tensor, firstElement, destination);

    void ITensorSource.ThrowIfChanged() => _stamp.ThrowIfChanged(_file, Path);

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();
}
