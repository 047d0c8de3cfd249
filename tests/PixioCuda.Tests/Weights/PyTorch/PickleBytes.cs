using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace PixioCuda.Tests.Weights.PyTorch;

/// <summary>Writes pickles instruction by instruction, as Python's pickle module does for the same values.</summary>
internal sealed class PickleBytes
{
    private readonly List<byte> _bytes = [];
    private readonly int _protocol;
    private int _memoized;

    public PickleBytes(int protocol = 2)
    {
        _protocol = protocol;
        _bytes.AddRange([0x80, (byte)protocol]);
        // A frame's length is for readers of streams; it covers the rest of the pickle.
        if (protocol >= 4)
            _bytes.AddRange([0x95, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    public byte[] Stop()
    {
        byte[] pickle = [.. _bytes, (byte)'.'];
        if (_protocol >= 4)
            BinaryPrimitives.WriteInt64LittleEndian(pickle.AsSpan(3), pickle.Length - 11);
        return pickle;
    }

    /// <summary>Instructions as they are.</summary>
    public PickleBytes Raw(params ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public PickleBytes Op(char opcode) => Raw((byte)opcode);

    public PickleBytes Mark() => Op('(');

    public PickleBytes Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        if (_protocol >= 4 && utf8.Length < 256)
            return Raw(0x8C, (byte)utf8.Length).Raw(utf8).Memoize();
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        return Op('X').Raw(length).Raw(utf8).Memoize();
    }

    public PickleBytes Int(long value)
    {
        byte[] bytes = new byte[4];
        switch (value)
        {
            case >= 0 and < 256:
                return Op('K').Raw((byte)value);
            case >= 0 and < 65536:
                return Op('M').Raw((byte)value, (byte)(value >> 8));
            case >= int.MinValue and <= int.MaxValue:
                BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)value);
                return Op('J').Raw(bytes);
            default:
                return Long(value);
        }
    }

    public PickleBytes Long(BigInteger value)
    {
        byte[] bytes = value.ToByteArray();
        return Raw(0x8A, (byte)bytes.Length).Raw(bytes);
    }

    public PickleBytes Float(double value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        return Op('G').Raw(bytes);
    }

    public PickleBytes Global(string module, string name) => _protocol >= 4
        ? Text(module).Text(name).Raw(0x93).Memoize()
        : Raw(Encoding.UTF8.GetBytes($"c{module}\n{name}\n")).Memoize();

    public PickleBytes Longs(params ReadOnlySpan<long> values)
    {
        Mark();
        foreach (long value in values)
            Int(value);
        return Op('t').Memoize();
    }

    public PickleBytes OrderedDict() => Global("collections", "OrderedDict").Op(')').Op('R').Memoize();

    /// <summary>A tensor as torch.save describes it.</summary>
    public PickleBytes Tensor(string storageClass, string key, long storageLength, long offset, long[] shape, long[] strides)
    {
        Global("torch._utils", "_rebuild_tensor_v2").Mark();
        Mark().Text("storage").Global("torch", storageClass).Text(key).Text("cpu").Int(storageLength).Op('t').Memoize().Op('Q');
        return Int(offset).Longs(shape).Longs(strides).Raw(0x89).OrderedDict().Op('t').Memoize().Op('R').Memoize();
    }

    private PickleBytes Memoize()
    {
        if (_protocol >= 4)
            return Raw(0x94);
        if (_memoized < 256)
            return Op('q').Raw((byte)_memoized++);
        byte[] index = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(index, _memoized++);
        return Op('r').Raw(index);
    }
}
