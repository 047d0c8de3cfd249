using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

public sealed class ConvertKernelTests
{
    private static readonly ElementType[] Types = [ElementType.F32, ElementType.F16, ElementType.BF16];

    /// <summary>Where a conversion rounds, overflows, underflows or is not a number: bits of float32.</summary>
    private static readonly uint[] SpecialFloats =
    [
        0, 0x8000_0000, 1, 0x8000_0001, 0x007F_FFFF, 0x0080_0000,                // zeros, subnormals, the least normal number
        0x3F80_0000, 0x3F80_7FFF, 0x3F80_8000, 0x3F80_8001, 0x3F81_8000,         // halfway between two bfloat16: down, tie to even, up
        0x3F80_1000, 0x3F80_1001, 0x3F80_3000, 0x3F80_0FFF,                      // the same between two float16
        0x7F7F_7FFF, 0x7F7F_8000, 0x7F7F_FFFF, 0xFF7F_FFFF,                      // the largest numbers: bfloat16 overflows to infinity
        0x477F_E000, 0x477F_EFFF, 0x477F_F000, 0xC77F_F000, 0x4780_0000,         // 65504, just below 65520, 65520, -65520, 65536
        0x3300_0000, 0x3300_0001, 0x32FF_FFFF, 0x3380_0000, 0x33C0_0000,         // half of float16's least subnormal, and around it
        0x387F_C000, 0x387F_E000, 0x387F_FFFF, 0x3880_0000,                      // around float16's least normal number
        0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0xFFC0_0001, 0x7F80_0001, 0xFFFF_FFFF,
    ];

    public static TheoryData<int, int> Pairs
    {
        get
        {
            TheoryData<int, int> pairs = [];
            foreach (ElementType input in Types)
            {
                foreach (ElementType output in Types)
                    pairs.Add((int)input, (int)output);
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Every_number_is_rounded_once_to_nearest_even(int input, int output)
    {
        (ElementType from, ElementType to) = ((ElementType)input, (ElementType)output);
        byte[] x;
        if (from == ElementType.F32)
        {
            // The special ones, and bits at random: every exponent, both signs.
            Random random = new(3);
            x = [.. SpecialFloats.Concat(Enumerable.Range(0, 8000).Select(_ => (uint)random.NextInt64(1L << 32))).SelectMany(BitConverter.GetBytes)];
        }
        else
        {
            x = [.. Enumerable.Range(0, 65536).SelectMany(bits => BitConverter.GetBytes((ushort)bits))];
        }

        int count = x.Length / from.ByteCount();
        AssertConverted(x, from, Convert(x, ConvertShape.Flat(count, from, to), 0, 0, x.Length / from.ByteCount() % 16 == 0 ? 0 : 128), to);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Every_count_and_alignment_is_possible(int input, int output)
    {
        (ElementType from, ElementType to) = ((ElementType)input, (ElementType)output);
        foreach (int count in (int[])[1, 2, 3, 7, 8, 9, 31, 33, 264, 4099])
        {
            foreach ((int xOffset, int yOffset) in ((int, int)[])[(0, 0), (1, 0), (0, 1), (1, 1), (3, 3), (5, 2), (8, 7), (4, 12)])
            {
                byte[] x = Numbers.ToBytes(Numbers.Normal("x", count), from);
                // A ragged sector at either end of either side, once for each warp whose accesses straddle one.
                AssertConverted(x, from, Convert(x, ConvertShape.Flat(count, from, to), xOffset, yOffset, 128 + (count * 2L), seeds: 1), to);
            }
        }
    }

    [Theory]
    [InlineData(3, 192, 192 + 8, 0)]
    [InlineData(5, 588, 592, 0)]
    [InlineData(7, 25, 32, 0)]
    [InlineData(9, 64, 72, 1)]
    [InlineData(1, 1, 8, 0)]
    public void Padded_rows_end_in_zeros(int rows, int columns, int pitch, int xOffset)
    {
        foreach ((ElementType from, ElementType to) in new[] { (ElementType.F32, ElementType.BF16), (ElementType.F16, ElementType.F16),
            (ElementType.BF16, ElementType.F32) })
        {
            float[] values = Numbers.Rounded(Numbers.Normal("x", rows * columns), from);
            float[] padded = new float[rows * pitch];
            for (int row = 0; row < rows; row++)
                values.AsSpan(row * columns, columns).CopyTo(padded.AsSpan(row * pitch));
            byte[] y = Convert(
                Numbers.ToBytes(values, from), new ConvertShape(rows, columns, pitch, from, to), xOffset, 0, (rows * 128L) + (columns * rows * 2));
            Assert.Equal(Numbers.ToBytes(padded, to), y);
        }
    }

    [Fact]
    public void Query_key_and_value_are_stacked_into_one_weight()
    {
        const int size = 12;
        using GpuDevice device = Emulator.Open(new ComputeCapability(8, 0));
        ConvertShape shape = ConvertShape.Flat(size * size, ElementType.F32, ElementType.BF16);
        ConvertKernel kernel = new(device, ConvertKernel.SelectConfig(shape));
        float[][] parts = [.. new[] { "query", "key", "value" }.Select(name => Numbers.Normal(name, size * size))];
        DeviceMemory<byte>[] sources = [.. parts.Select(part => Numbers.Upload(device, part, shape.Input))];
        byte[] stacked = SeededRuns.Run(device, 3 * size * size * 2, null, 0, (stream, qkv) =>
        {
            for (int part = 0; part < 3; part++)
                kernel.Launch(stream, shape, sources[part].Pointer, qkv[part * size * size * 2]);
        });
        foreach (DeviceMemory<byte> source in sources)
            source.Dispose();
        Assert.Equal(Numbers.ToBytes([.. parts.SelectMany(part => part)], ElementType.BF16), stacked);
    }

    [Fact]
    public void What_cannot_be_converted_is_refused()
    {
        Assert.Throws<ArgumentException>("shape", () => ConvertKernel.SelectConfig(new(2, 8, 7, ElementType.F32, ElementType.BF16)));
        Assert.Throws<ArgumentException>("shape", () => ConvertKernel.SelectConfig(new(2, 7, 12, ElementType.F32, ElementType.BF16)));
        Assert.Throws<ArgumentException>("shape", () => ConvertKernel.SelectConfig(new(2, 8, 8, ElementType.F32, ElementType.BF16)));
        Assert.Throws<ArgumentException>("shape", () => ConvertKernel.SelectConfig(new(1 << 20, 8000, 8192, ElementType.F32, ElementType.BF16)));
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        ConvertShape shape = ConvertShape.Flat(4, ElementType.F32, ElementType.BF16);
        ConvertKernel kernel = new(device, ConvertKernel.SelectConfig(shape));
        Assert.Throws<ArgumentException>("x", () => kernel.Launch(stream, shape, new(0x1002), new(0x2000)));
        Assert.Throws<ArgumentException>("y", () => kernel.Launch(stream, shape, new(0x1000), new(0x2001)));
        Assert.Throws<ArgumentException>("shape", () => kernel.Launch(stream, ConvertShape.Flat(4, ElementType.F16, ElementType.BF16), new(0x1000), new(0x2000)));
    }

    /// <summary>The result for a source and a result that lie some elements behind an aligned address.</summary>
    private static byte[] Convert(byte[] x, ConvertShape shape, int xOffset, int yOffset, long raggedBytes, int seeds = SeededRuns.SeedCount)
    {
        using GpuDevice device = Emulator.Open();
        ConvertKernel kernel = new(device, ConvertKernel.SelectConfig(shape));
        int xStart = xOffset * shape.Input.ByteCount(), yStart = yOffset * shape.Output.ByteCount();
        using DeviceMemory<byte> source = Numbers.Upload(device, [.. new byte[xStart], .. x]);
        long byteCount = shape.Rows * shape.Pitch * shape.Output.ByteCount();
        byte[] whole = SeededRuns.Run(device, yStart + byteCount, kernel.Config.Work(shape), raggedBytes, (stream, y) =>
        {
            device.MemsetAsync(stream, y, 0xA5, yStart);
            kernel.Launch(stream, shape, source.Pointer[xStart], y[yStart]);
        }, seeds);
        Assert.All(whole[..yStart], value => Assert.Equal(0xA5, value));
        return whole[yStart..];
    }

    private static void AssertConverted(byte[] x, ElementType from, byte[] y, ElementType to)
    {
        if (from == to)
        {
            Assert.Equal(x, y);
            return;
        }

        float[] values = Numbers.FromBytes(x, from);
        byte[] expected = Numbers.ToBytes(values, to);
        int width = to.ByteCount();
        for (int i = 0; i < values.Length; i++)
        {
            // Which NaN it becomes is the device's choice.
            if (float.IsNaN(values[i]))
                Assert.True(float.IsNaN(Numbers.FromBytes(y[(i * width)..((i + 1) * width)], to)[0]), $"element {i} was a NaN in {from}");
            else if (!expected.AsSpan(i * width, width).SequenceEqual(y.AsSpan(i * width, width)))
                Assert.Fail($"element {i}, {values[i]:R}, became {System.Convert.ToHexString(y, i * width, width)} in {to}, "
                    + $"expected {System.Convert.ToHexString(expected, i * width, width)} (lowest byte first)");
        }
    }
}
