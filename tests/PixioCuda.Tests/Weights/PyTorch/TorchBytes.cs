using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PixioCuda.Tests.Weights.PyTorch;

/// <summary>A tensor that is to be put into a PyTorch checkpoint.</summary>
/// <param name="Name">Its name in the state dict.</param>
/// <param name="StorageClass">Such as "FloatStorage".</param>
/// <param name="Key">The name of its storage.</param>
/// <param name="StorageBytes">The whole storage.</param>
/// <param name="Offset">The first element.</param>
/// <param name="Shape">The dimensions.</param>
/// <param name="Strides">How far apart neighbours are.</param>
internal sealed record TorchBytesTensor(
    string Name, string StorageClass, string Key, byte[] StorageBytes, long Offset, long[] Shape, long[] Strides);

/// <summary>PyTorch checkpoints put together by hand.</summary>
internal static class TorchBytes
{
    public const string Root = "archive";

    public static int ElementBytes(string storageClass) => storageClass switch
    {
        "FloatStorage" or "IntStorage" => 4,
        "HalfStorage" or "BFloat16Storage" or "ShortStorage" => 2,
        "DoubleStorage" or "LongStorage" => 8,
        _ => 1,
    };

    /// <summary>A tensor with a storage of its own, in row-major order.</summary>
    public static TorchBytesTensor Contiguous(string name, string key, long[] shape, float[] values) =>
        new(name, "FloatStorage", key, MemoryMarshal.AsBytes(values.AsSpan()).ToArray(), 0, shape, RowMajor(shape));

    /// <summary>A tensor of a safetensors file.</summary>
    public static TorchBytesTensor Of(string name, int index, StoredTensor tensor) =>
        new(name, tensor.DType switch { "F32" => "FloatStorage", "F16" => "HalfStorage", _ => "BFloat16Storage" },
            $"{index}", tensor.Bytes, 0, tensor.Shape, RowMajor(tensor.Shape));

    public static long[] RowMajor(long[] shape)
    {
        long[] strides = new long[shape.Length];
        long stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
            (strides[i], stride) = (stride, stride * Math.Max(1, shape[i]));
        return strides;
    }

    /// <summary>The pickle of a state dict, within other dicts where keys are given.</summary>
    public static byte[] Pickle(IReadOnlyList<TorchBytesTensor> tensors, int protocol = 2, params string[] keys)
    {
        PickleBytes pickle = new(protocol);
        foreach (string key in keys)
            pickle.Op('}').Mark().Text("epoch").Int(399).Text(key);
        pickle.OrderedDict().Mark();
        foreach (TorchBytesTensor tensor in tensors)
        {
            long storageLength = tensor.StorageBytes.Length / ElementBytes(tensor.StorageClass);
            pickle.Text(tensor.Name)
                .Tensor(tensor.StorageClass, tensor.Key, storageLength, tensor.Offset, tensor.Shape, tensor.Strides);
        }

        // What a module's state_dict carries along as an attribute.
        pickle.Op('u').Op('}').Text("_metadata").OrderedDict().Op('s').Op('b');
        foreach (string _ in keys)
            pickle.Text("lr").Float(1.5e-4).Op('u');
        return pickle.Stop();
    }

    public static byte[] File(
        IReadOnlyList<TorchBytesTensor> tensors, ZipStyle? style = null, int protocol = 2, params string[] keys) =>
        File(Pickle(tensors, protocol, keys), tensors, style);

    public static byte[] File(byte[] pickle, IReadOnlyList<TorchBytesTensor>? tensors = null, ZipStyle? style = null) => ZipBytes.Write(
    [
        ($"{Root}/data.pkl", pickle),
        ($"{Root}/byteorder", "little"u8.ToArray()),
        .. (tensors ?? []).DistinctBy(tensor => tensor.Key).Select(tensor => ($"{Root}/data/{tensor.Key}", tensor.StorageBytes)),
        ($"{Root}/version", "3\n"u8.ToArray()),
    ], style);

    /// <summary>The bytes of a tensor's elements in row-major order, one by one.</summary>
    public static byte[] Elements(TorchBytesTensor tensor)
    {
        int size = ElementBytes(tensor.StorageClass);
        long count = tensor.Shape.Aggregate(1L, (product, dimension) => product * dimension);
        byte[] bytes = new byte[count * size];
        for (long i = 0; i < count; i++)
        {
            long rest = i, place = tensor.Offset;
            for (int dimension = tensor.Shape.Length - 1; dimension >= 0; dimension--)
            {
                place += rest % tensor.Shape[dimension] * tensor.Strides[dimension];
                rest /= tensor.Shape[dimension];
            }

            tensor.StorageBytes.AsSpan((int)(place * size), size).CopyTo(bytes.AsSpan((int)(i * size)));
        }

        return bytes;
    }

    /// <summary>Bytes that differ from element to element.</summary>
    public static byte[] Ramp(int byteCount)
    {
        byte[] bytes = new byte[byteCount];
        for (int i = 0; i + 4 <= byteCount; i += 4)
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(i), unchecked(i * 0x01030507));
        return bytes;
    }
}
