using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights.PyTorch;

/// <summary>
/// A checkpoint as torch.save writes it since PyTorch 1.6: a zip archive of one pickle, which describes the tensors, and one entry for each
/// storage. The pickle is read when the file is opened, by a machine that knows only what a state dict needs; tensors are read where and
/// when they are asked for. Reads may run on several threads at once.
/// </summary>
internal sealed class TorchCheckpoint : ITensorSource
{
    private const string PickleName = "data.pkl";

    private readonly ZipReader _archive;
    private readonly SafeFileHandle _file;
    private readonly FileStamp _stamp;
    private readonly Dictionary<string, (TorchTensor Tensor, ZipContent Content, bool IsContiguous)> _places = [];

    private TorchCheckpoint(string path, SafeFileHandle file, FileStamp stamp, ZipReader archive)
    {
        _file = file;
        _stamp = stamp;
        Description = path;
        _archive = archive;
        string root = FindRoot(archive, path);
        RequireLittleEndian(root);
        Dictionary<string, TorchTensor> stateDict = StateDict.Find(ReadPickle(root), path);

        Dictionary<string, TensorInfo> tensors = new(stateDict.Count);
        Dictionary<string, string> unsupported = [];
        Dictionary<string, (TorchStorage Storage, ZipContent Content)> storages = [];
        foreach ((string name, TorchTensor tensor) in stateDict)
        {
            if (SafetensorsDType.ToDType(tensor.Storage.DTypeName) is not { } dtype)
            {
                unsupported.Add(name, tensor.Storage.DTypeName);
                continue;
            }

            tensors.Add(name, new TensorInfo(name, dtype, tensor.Shape));
            _places.Add(name, (tensor, FindStorage(root, tensor.Storage, storages), StridedRead.IsContiguous(tensor)));
        }

        Tensors = tensors;
        UnsupportedTensors = unsupported;
    }

    public string Description { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> UnsupportedTensors { get; }

    public bool IsRandom => false;

    /// <summary>Opens a checkpoint.</summary>
    /// <param name="file">An open file, which is then this object's to close.</param>
    /// <param name="path">Where it is, for messages.</param>
    /// <exception cref="ModelFormatException">It is damaged, or holds something else than a state dict.</exception>
    public static TorchCheckpoint Open(SafeFileHandle file, string path)
    {
        ZipReader? archive = null;
        try
        {
            FileStamp stamp = FileStamp.Of(file);
            archive = ZipReader.Open(file, path);
            return new TorchCheckpoint(path, file, stamp, archive);
        }
        catch
        {
            archive?.Dispose();
            file.Dispose();
            throw;
        }
    }

    public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_places.TryGetValue(tensor.Name, out (TorchTensor Tensor, ZipContent Content, bool IsContiguous) place))
        {
            throw new ArgumentException(
                $"'{Description}' holds no tensor {MessageText.Quote(tensor.Name)} that can be read.", nameof(tensor));
        }

        TensorRange.Check(Tensors[tensor.Name], byteOffset, destination.Length);
        if (destination.IsEmpty)
            return;
        if (place.IsContiguous)
            _archive.Read(place.Content, place.Tensor.Offset * place.Tensor.Storage.ElementBytes + byteOffset, destination);
        else
            StridedRead.Fill(place.Tensor, byteOffset, destination, (offset, bytes) => _archive.Read(place.Content, offset, bytes));
    }

    public void ThrowIfChanged() => _stamp.ThrowIfChanged(_file, Description);

    public void Dispose() => _archive.Dispose();

    /// <summary>What all of the archive's names begin with, such as "pixio_vith16/".</summary>
    private static string FindRoot(ZipReader archive, string path)
    {
        string[] pickles =
        [
            .. archive.Entries.Keys.Where(name => name == PickleName || name.EndsWith($"/{PickleName}", StringComparison.Ordinal)),
        ];
        if (pickles.Length != 1)
        {
            throw new ModelFormatException(
                $"'{path}' is a zip archive, but no PyTorch checkpoint: it holds {pickles.Length} entries of the name '{PickleName}', "
                + "not one.");
        }

        string root = pickles[0][..^PickleName.Length];
        return archive.Entries.ContainsKey($"{root}constants.pkl")
            ? throw new ModelFormatException(
                $"'{path}' is a TorchScript program, which brings code along; only the weights can be read. "
                + "Save them in Python: torch.save(model.state_dict(), path).")
            : root;
    }

    private void RequireLittleEndian(string root)
    {
        if (!_archive.Entries.TryGetValue($"{root}byteorder", out ZipEntry? entry))
            return;
        if (entry.Length != "little".Length)
            throw Refused();
        Span<byte> order = stackalloc byte["little".Length];
        _archive.Read(_archive.Find(entry), 0, order);
        if (!order.SequenceEqual("little"u8))
            throw Refused();

        ModelFormatException Refused() => new(
            $"'{Description}' was saved on a machine of another byte order (its entry 'byteorder' is not \"little\"). "
            + "Save it again on an ordinary one.");
    }

    private object? ReadPickle(string root)
    {
        ZipContent content = _archive.Find(_archive.Entries[root + PickleName]);
        if (content.Entry.Length > PickleReader.MaxBytes)
        {
            throw new ModelFormatException(
                $"'{Description}' has a {PickleName} of {content.Entry.Length} bytes, more than the {PickleReader.MaxBytes} that are read: "
                + "a state dict takes a fraction of that.");
        }

        byte[] pickle = new byte[content.Entry.Length];
        _archive.Read(content, 0, pickle);
        return PickleReader.Read(pickle, Description);
    }

    private ZipContent FindStorage(string root, TorchStorage storage, Dictionary<string, (TorchStorage Storage, ZipContent Content)> known)
    {
        if (known.TryGetValue(storage.Key, out (TorchStorage Storage, ZipContent Content) found))
        {
            return found.Storage == storage
                ? found.Content
                : throw new ModelFormatException(
                    $"'{Description}' is damaged: it describes its storage {MessageText.Quote(storage.Key)} in two ways.");
        }

        string name = $"{root}data/{storage.Key}";
        if (!_archive.Entries.TryGetValue(name, out ZipEntry? entry))
            throw new ModelFormatException($"'{Description}' is damaged: its entry {MessageText.Quote(name)} is missing.");
        if (entry.Length % storage.ElementBytes != 0 || entry.Length / storage.ElementBytes != storage.ElementCount)
        {
            throw new ModelFormatException(
                $"'{Description}' is damaged: its entry {MessageText.Quote(name)} has {entry.Length} bytes, but its {storage.ElementCount} "
                + $"elements of {storage.DTypeName} take {(Int128)storage.ElementCount * storage.ElementBytes}.");
        }

        ZipContent content = _archive.Find(entry);
        known.Add(storage.Key, (storage, content));
        return content;
    }
}
