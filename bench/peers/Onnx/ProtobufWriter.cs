using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace PixioCuda.Peers.Onnx;

/// <summary>One message of the protobuf wire format, built field by field. Repeated fields are written unpacked, one entry after the other,
/// which every reader takes.</summary>
internal sealed class ProtobufWriter
{
    private const int VarintType = 0;
    private const int LengthDelimitedType = 2;
    private const int Fixed32Type = 5;

    private readonly ArrayBufferWriter<byte> _bytes = new();

    public void Integer(int field, long value)
    {
        Tag(field, VarintType);
        Varint((ulong)value);
    }

    public void Number(int field, float value)
    {
        Tag(field, Fixed32Type);
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        _bytes.Write(bytes);
    }

    public void Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    public void Message(int field, Action<ProtobufWriter> write)
    {
        ProtobufWriter message = new();
        write(message);
        Bytes(field, message.ToArray());
    }

    public void Bytes(int field, ReadOnlySpan<byte> value)
    {
        Tag(field, LengthDelimitedType);
        Varint((ulong)value.Length);
        _bytes.Write(value);
    }

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    private void Tag(int field, int wireType) => Varint(((ulong)field << 3) | (uint)wireType);

    private void Varint(ulong value)
    {
        while (value >= 0x80)
        {
            _bytes.Write([(byte)(value | 0x80)]);
            value >>= 7;
        }

        _bytes.Write([(byte)value]);
    }
}
