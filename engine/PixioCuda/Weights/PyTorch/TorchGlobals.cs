using System.Diagnostics.CodeAnalysis;

namespace PixioCuda.Weights.PyTorch;

/// <summary>The names that a pickle may use: those of the classes and functions that torch.save writes for the tensors of a state dict.
/// They are names here and nothing more; none of them runs code that a file brings along.</summary>
internal static class TorchGlobals
{
    private const string OrderedDict = "collections.OrderedDict";
    private const string RebuildTensor = "torch._utils._rebuild_tensor_v2";
    private const string RebuildParameter = "torch._utils._rebuild_parameter";

    // PyTorch's own limit.
    private const int MostDimensions = 64;

    // A tensor can repeat its elements (a stride of 0) and so claim more than the file holds: no model has tensors of 16 TB.
    private const long LargestTensorBytes = 1L << 44;

    // The classes of storages, with their element types in safetensors' names.
    private static readonly Dictionary<string, (string DTypeName, int ElementBytes)> Storages = new()
    {
        ["torch.FloatStorage"] = ("F32", 4),
        ["torch.HalfStorage"] = ("F16", 2),
        ["torch.BFloat16Storage"] = ("BF16", 2),
        ["torch.DoubleStorage"] = ("F64", 8),
        ["torch.LongStorage"] = ("I64", 8),
        ["torch.IntStorage"] = ("I32", 4),
        ["torch.ShortStorage"] = ("I16", 2),
        ["torch.CharStorage"] = ("I8", 1),
        ["torch.ByteStorage"] = ("U8", 1),
        ["torch.BoolStorage"] = ("BOOL", 1),
    };

    /// <summary>A class or function by its name.</summary>
    /// <exception cref="ModelFormatException">No state dict needs it; the message names it.</exception>
    public static PickleGlobal Find(string module, string name, string path)
    {
        string fullName = $"{module}.{name}";
        return fullName is OrderedDict or RebuildTensor or RebuildParameter || Storages.ContainsKey(fullName)
            ? new PickleGlobal(fullName)
            : throw new ModelFormatException(
                $"'{path}' asks for {MessageText.Quote(fullName)}, which no state dict needs; it is refused, and nothing of the file was "
                + "run. If you trust the file, load it in Python and save its tensors alone: torch.save(model.state_dict(), path).");
    }

    /// <summary>What a call of a class or function gives.</summary>
    /// <exception cref="ModelFormatException">The arguments are not what torch.save writes.</exception>
    public static object Call(PickleGlobal global, object?[] arguments, string path) => (global.Name, arguments) switch
    {
        (OrderedDict, []) => new PickleDict(),
        // The flag for gradients and the hooks have no meaning here; newer versions append a dict of metadata.
        (RebuildTensor, [TorchStorage storage, long offset, PickleTuple shape, PickleTuple strides, _, _, ..]) =>
            Tensor(storage, offset, shape, strides, path),
        (RebuildParameter, [TorchTensor tensor, _, _]) => tensor,
        _ => throw Damaged(path, $"calls {MessageText.Quote(global.Name)} with arguments that torch.save does not write"),
    };

    /// <summary>The storage that a persistent id means: ('storage', class, key, location, number of elements).</summary>
    /// <exception cref="ModelFormatException">It means something else.</exception>
    public static TorchStorage Storage(object?[] id, string path) =>
        id is ["storage", PickleGlobal type, string key, string, long elementCount]
        && elementCount >= 0
        && Storages.TryGetValue(type.Name, out (string DTypeName, int ElementBytes) element)
            ? new TorchStorage(key, element.DTypeName, element.ElementBytes, elementCount)
            : throw Damaged(path, "refers to data outside of it in a way that torch.save does not write");

    private static TorchTensor Tensor(TorchStorage storage, long offset, PickleTuple shapeTuple, PickleTuple stridesTuple, string path)
    {
        if (offset < 0 || !TryLongs(shapeTuple, out long[]? shape) || !TryLongs(stridesTuple, out long[]? strides)
            || shape.Length != strides.Length)
            throw Damaged(path, "describes a tensor by an offset, shape and strides that cannot be");
        if (TensorShape.CountElements(shape) is not { } elementCount || elementCount > LargestTensorBytes / storage.ElementBytes)
            throw Damaged(path, $"describes a tensor of shape {MessageText.Shape(shape)}, which no model has");

        Int128 last = offset;
        for (int i = 0; i < shape.Length; i++)
            last += (Int128)(shape[i] - 1) * strides[i];
        if (elementCount > 0 && last >= storage.ElementCount)
        {
            throw Damaged(path, $"describes a tensor of shape {MessageText.Shape(shape)} that reaches beyond the "
                + $"{storage.ElementCount} elements of its storage {MessageText.Quote(storage.Key)}");
        }

        return new TorchTensor(storage, offset, shape, strides);
    }

    private static bool TryLongs(PickleTuple tuple, [NotNullWhen(true)] out long[]? values)
    {
        values = null;
        if (tuple.Items.Length > MostDimensions)
            return false;
        values = new long[tuple.Items.Length];
        for (int i = 0; i < values.Length; i++)
        {
            if (tuple.Items[i] is not long value || value < 0)
                return false;
            values[i] = value;
        }

        return true;
    }

    private static ModelFormatException Damaged(string path, string what) =>
        new($"'{path}' is not a state dict that can be read: its data.pkl {what}.");
}
