using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Tests;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The kernels' GELU by itself: as the epilogue of a product with zeros, whose bias is x.</summary>
public sealed class GeluTests
{
    [Theory]
    [InlineData("BF16")]
    [InlineData("F16")]
    public void In_half_precision_every_result_is_within_1_unit_in_the_last_place(string name)
    {
        ElementType type = Enum.Parse<ElementType>(name);
        // Every finite number of the format within [-10, 10].
        byte[] bits = new byte[2 << 16];
        for (int i = 0; i < 1 << 16; i++)
            BitConverter.TryWriteBytes(bits.AsSpan(2 * i), (ushort)i);
        float[] x = [.. Numbers.FromBytes(bits, type).Where(value => Math.Abs(value) <= 10)];
        Assert.True(x.Length > 32000);
        Check(x, type, 1);
    }

    [Fact]
    public void In_float32_every_result_is_within_4_units_in_the_last_place()
    {
        List<float> x = [0, 1e-38f, -1e-38f, 1e-20f, -1e-20f, 40, -40, float.MaxValue];
        for (float value = -15; value <= 15; value += 0.00187f)
            x.Add(value);
        Check([.. x], ElementType.F32, 4);
    }

    private static void Check(float[] x, ElementType type, double units)
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        int count = (x.Length + 7) / 8 * 8;
        Array.Resize(ref x, count);
        GemmShape shape = new(1, count, 8, type, type, GemmEpilogue.BiasGelu);
        using DeviceMemory<byte> a = Numbers.Upload(device, new float[8], type), w = Numbers.Upload(device, new float[8 * count], type);
        using DeviceMemory<float> bias = Numbers.Upload(device, x);
        using DeviceMemory<byte> c = device.Allocate<byte>((long)count * type.ByteCount());
        new GemmKernel(device, shape).Launch(stream, a.Pointer, w.Pointer, bias.Pointer, DevicePointer<byte>.Null, c.Pointer);
        stream.Synchronize();
        float[] y = Numbers.FromBytes(Numbers.Download(device, c), type);
        double worst = 0;
        int worstIndex = 0;
        for (int i = 0; i < count; i++)
        {
            double expected = DoubleMath.Gelu(x[i]), error = Math.Abs(y[i] - expected) / Unit(expected, type);
            if (!(error <= worst))
                (worst, worstIndex) = (error, i);
        }

        Assert.True(worst <= units,
            $"gelu({x[worstIndex]}) is {y[worstIndex]}, expected {DoubleMath.Gelu(x[worstIndex])}: off by {worst:f3} units of {type}, {units} allowed");
        TestContext.Current.TestOutputHelper?.WriteLine($"worst: {worst:f3} units of {type} at {x[worstIndex]}");
    }

    /// <summary>The spacing of a format's numbers at a value. Float32 results below the normal numbers may be 0: there it is the smallest
    /// normal number.</summary>
    private static double Unit(double value, ElementType type)
    {
        (int digits, int smallest) = type switch
        {
            ElementType.BF16 => (7, -126),
            ElementType.F16 => (10, -14),
            _ => (23, -126),
        };
        if (type == ElementType.F32 && Math.Abs(value) < Math.ScaleB(1, -126))
            return Math.ScaleB(1, -126);
        return Math.ScaleB(1, (value == 0 ? smallest : Math.Max(Math.ILogB(value), smallest)) - digits);
    }
}
