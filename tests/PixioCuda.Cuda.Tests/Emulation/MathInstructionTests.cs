using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The elementary functions of kernels/include against what they promise, computed here: on the emulator that checks their CPU meaning,
/// on hardware that the GPU's instructions agree with it.</summary>
public sealed class MathInstructionTests
{
    private const int Count = 256;

    private const string Text = """
        #include "math.cuh"
        DEVICE float value(const SnippetArgs& args, u32 operand) { return as_float(args.input[256 * operand + threadIdx.x]); }
        KERNEL(fma, SnippetArgs) { args.output[threadIdx.x] = as_bits(fused_multiply_add(value(args, 0), value(args, 1), value(args, 2))); }
        KERNEL(rsqrt, SnippetArgs) { args.output[threadIdx.x] = as_bits(reciprocal_sqrt(value(args, 0))); }
        KERNEL(quotient, SnippetArgs) { args.output[threadIdx.x] = as_bits(divide(value(args, 0), value(args, 1))); }
        KERNEL(whole, SnippetArgs) { args.output[threadIdx.x] = as_bits(round_down(value(args, 0))); }
        KERNEL(larger, SnippetArgs) { args.output[threadIdx.x] = as_bits(max_float(value(args, 0), value(args, 1))); }
        KERNEL(exp2, SnippetArgs) { args.output[threadIdx.x] = as_bits(exp2_approx(value(args, 0))); }
        KERNEL(halves, SnippetArgs) { args.output[threadIdx.x] = as_bits(to_float(f16{static_cast<u16>(args.input[threadIdx.x])})); }
        """;

    [Fact]
    public void A_multiply_add_is_rounded_once()
    {
        float[] a = Values(1), b = Values(2), c = Values(3);
        // Products whose lower half decides: (1 + e)^2 - 1 - 2 e is e^2, and 0 where the product is rounded first.
        (a[0], b[0], c[0]) = (1 + MathF.ScaleB(1, -23), 1 + MathF.ScaleB(1, -23), -1 - MathF.ScaleB(1, -22));
        AssertBits("fma", i => MathF.FusedMultiplyAdd(a[i], b[i], c[i]), a, b, c);
        Assert.Equal(MathF.ScaleB(1, -46), MathF.FusedMultiplyAdd(a[0], b[0], c[0]));
    }

    [Fact]
    public void A_reciprocal_square_root_is_rounded_to_nearest()
    {
        float[] x = [.. Values(4).Select(MathF.Abs)];
        (x[0], x[1], x[2], x[3]) = (1, 4, 0, float.PositiveInfinity);
        AssertBits("rsqrt", i => (float)(1 / Math.Sqrt(x[i])), x);
    }

    [Fact]
    public void A_quotient_is_rounded_to_nearest()
    {
        float[] a = Values(5), b = Values(6);
        (a[0], b[0], a[1], b[1], a[2], b[2]) = (1, 3, 1, 0, float.Epsilon, 2);
        AssertBits("quotient", i => a[i] / b[i], a, b);
    }

    [Fact]
    public void Rounding_down_is_exact()
    {
        float[] x = Values(7);
        (x[0], x[1], x[2], x[3], x[4]) = (-0.5f, -0f, 0.99999994f, -1e-40f, 16777217);
        AssertBits("whole", i => MathF.Floor(x[i]), x);
    }

    [Fact]
    public void The_larger_of_two_numbers_is_the_one_that_is_a_number()
    {
        float[] a = Values(8), b = Values(9);
        (a[0], b[0], a[1], b[1], a[2], b[2]) = (float.NaN, 1, 1, float.NaN, float.NegativeInfinity, -3);
        AssertBits("larger", i => float.IsNaN(a[i]) ? b[i] : float.IsNaN(b[i]) ? a[i] : MathF.Max(a[i], b[i]), a, b);
    }

    [Fact]
    public void Powers_of_two_are_within_2_units_and_0_below_the_normal_numbers()
    {
        float[] x = [.. Enumerable.Range(0, Count).Select(i => (i - 200) * 0.7031f)];
        (x[0], x[1], x[2], x[3]) = (float.NegativeInfinity, -127, -149, -1000);
        AssertUnits("exp2", x, value => Math.Pow(2, value), 2);
    }

    [Fact]
    public void Halves_become_the_floats_that_they_are()
    {
        for (int start = 0; start < 1 << 16; start += Count)
        {
            uint[] words = [.. Enumerable.Range(start, Count).Select(value => (uint)value)];
            uint[] actual = Run("halves", words);
            for (int i = 0; i < Count; i++)
            {
                float expected = (float)BitConverter.UInt16BitsToHalf((ushort)words[i]), result = BitConverter.UInt32BitsToSingle(actual[i]);
                Assert.True(float.IsNaN(expected) ? float.IsNaN(result) : BitConverter.SingleToUInt32Bits(expected) == actual[i],
                    $"half {words[i]:x4} becomes {result:R}, not {expected:R}");
            }

            // Special numbers are at the ends of each sign; in between every sixteenth piece will do.
            if (start % (1 << 15) is > 1024 and < 30 * 1024)
                start += 15 * Count;
        }
    }

    private static float[] Values(int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, Count).Select(_ => MathF.ScaleB((random.NextSingle() * 2) - 1, random.Next(-20, 20)))];
    }

    private static void AssertBits(string entry, Func<int, float> expected, params float[][] operands)
    {
        uint[] actual = Run(entry, [.. operands.SelectMany(operand => operand.Select(BitConverter.SingleToUInt32Bits))]);
        for (int i = 0; i < Count; i++)
        {
            float right = expected(i);
            Assert.True(BitConverter.SingleToUInt32Bits(right) == actual[i],
                $"{entry}({string.Join(", ", operands.Select(operand => operand[i].ToString("R")))}) is "
                + $"{BitConverter.UInt32BitsToSingle(actual[i]):R}, not {right:R}");
        }
    }

    private static void AssertUnits(string entry, float[] x, Func<double, double> expected, double units)
    {
        uint[] actual = Run(entry, [.. x.Select(BitConverter.SingleToUInt32Bits)]);
        double smallest = Math.ScaleB(1, -126);
        for (int i = 0; i < Count; i++)
        {
            double right = expected(x[i]), result = BitConverter.UInt32BitsToSingle(actual[i]);
            // At the border of the normal numbers both are right.
            bool isFine = right < smallest * (1 - 1e-6)
                ? result == 0 : Math.Abs(result - right) <= units * Math.ScaleB(1, Math.ILogB(right) - 23) || (right < smallest * (1 + 1e-6) && result == 0);
            Assert.True(isFine, $"{entry}({x[i]:R}) is {result:R}, not {right:R}");
        }
    }

    private static uint[] Run(string entry, uint[] input)
    {
        using Snippet snippet = new(Text);
        snippet.Device.Upload(snippet.Input, (ReadOnlySpan<uint>)input);
        snippet.Run(entry, threads: Count);
        return snippet.Words(Count);
    }
}
