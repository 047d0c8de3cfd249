using System.Runtime.InteropServices;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda.Tests;

/// <summary>Test values, and their way into device memory and back in a kernel's number format.</summary>
internal static class Numbers
{
    /// <summary>Seeded values with mean 0 and standard deviation 1; another name gives others.</summary>
    public static float[] Normal(string name, int count, double scale = 1, double mean = 0)
    {
        int seed = name.Aggregate(17, (sum, letter) => unchecked((sum * 31) + letter));
        Random random = new(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (float)(mean + (scale * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())));
        return values;
    }

    /// <summary>Each value as the format holds it.</summary>
    public static float[] Rounded(float[] values, ElementType type) => FromBytes(ToBytes(values, type), type);

    /// <summary>One value as the format holds it, rounded to nearest even.</summary>
    public static double Round(double value, ElementType type) => type switch
    {
        ElementType.F16 => (double)(Half)value,
        ElementType.BF16 => RoundToBits(value, 8),
        _ => (float)value,
    };

    /// <summary>The relative spacing of a format's numbers: half of it is the error of one rounding.</summary>
    public static double Epsilon(ElementType type) => type switch
    {
        ElementType.F16 => Math.ScaleB(1, -10),
        ElementType.BF16 => Math.ScaleB(1, -7),
        _ => Math.ScaleB(1, -23),
    };

    public static byte[] ToBytes(float[] values, ElementType type)
    {
        byte[] bytes = new byte[values.Length * type.ByteCount()];
        switch (type)
        {
            case ElementType.F32:
                MemoryMarshal.AsBytes(values.AsSpan()).CopyTo(bytes);
                break;
            case ElementType.F16:
                Span<Half> halves = MemoryMarshal.Cast<byte, Half>(bytes.AsSpan());
                for (int i = 0; i < values.Length; i++)
                    halves[i] = (Half)values[i];
                break;
            default:
                Span<ushort> words = MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan());
                for (int i = 0; i < values.Length; i++)
                    words[i] = (ushort)(BitConverter.SingleToUInt32Bits((float)RoundToBits(values[i], 8)) >> 16);
                break;
        }

        return bytes;
    }

    public static float[] FromBytes(byte[] bytes, ElementType type)
    {
        float[] values = new float[bytes.Length / type.ByteCount()];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = type switch
            {
                ElementType.F32 => BitConverter.ToSingle(bytes, 4 * i),
                ElementType.F16 => (float)BitConverter.ToHalf(bytes, 2 * i),
                _ => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(bytes, 2 * i) << 16),
            };
        }

        return values;
    }

    /// <summary>New device memory with these values in a number format.</summary>
    public static DeviceMemory<byte> Upload(GpuDevice device, float[] values, ElementType type) => Upload(device, ToBytes(values, type));

    /// <summary>New device memory with these elements.</summary>
    public static DeviceMemory<T> Upload<T>(GpuDevice device, T[] values)
        where T : unmanaged
    {
        DeviceMemory<T> memory = device.Allocate<T>(values.Length);
        device.Upload(memory, (ReadOnlySpan<T>)values);
        return memory;
    }

    public static byte[] Download(GpuDevice device, DeviceMemory<byte> memory)
    {
        byte[] bytes = new byte[memory.Count];
        device.Download(memory, bytes.AsSpan());
        return bytes;
    }

    private static double RoundToBits(double value, int significantBits)
    {
        if (value == 0 || !double.IsFinite(value))
            return value;
        double unit = Math.ScaleB(1, Math.Max(Math.ILogB(value), -126) - (significantBits - 1));
        return Math.Round(value / unit, MidpointRounding.ToEven) * unit;
    }
}
