using System.Buffers.Binary;
using System.Text;

namespace PixioCuda.Tests.Weights;

/// <summary>Safetensors files put together by hand.</summary>
internal static class SafetensorsBytes
{
    /// <summary>A file with this header and this many bytes of data, 0, 1, 2 and so on.</summary>
    public static byte[] File(string header, int dataLength = 0) => File(Encoding.UTF8.GetBytes(header), dataLength);

    public static byte[] File(ReadOnlySpan<byte> header, int dataLength = 0)
    {
        byte[] file = new byte[8 + header.Length + dataLength];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file.AsSpan(8));
        for (int i = 0; i < dataLength; i++)
            file[8 + header.Length + i] = (byte)i;
        return file;
    }

    /// <summary>A tensor's entry in a header.</summary>
    public static string Tensor(string name, string dtype, string shape, long begin, long end)
        => $$"""{{"\""}}{{name}}":{"dtype":"{{dtype}}","shape":[{{shape}}],"data_offsets":[{{begin}},{{end}}]}""";
}
