using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The wrappers of kernels/include against definitions of their own, taken from the PTX manual (9.7.14.5, 9.7.9.21): on the
/// emulator they check what the wrappers mean on the CPU, on hardware that the GPU agrees.</summary>
public sealed class InstructionTests
{
    private const int WarpSize = 32;

    private const string Text = """
        DEVICE void fill_shared(unsigned char* smem, const u32* words) {
            for (u32 i = threadIdx.x; i < 128; i += kWarpSize) store_shared4(shared_address(smem) + 4 * i, words[i]);
            warp_sync();
        }
        DEVICE void store_words(u32* output, Words4 words) {
            output[4 * threadIdx.x] = words.x, output[4 * threadIdx.x + 1] = words.y;
            output[4 * threadIdx.x + 2] = words.z, output[4 * threadIdx.x + 3] = words.w;
        }
        KERNEL(load_matrix, SnippetArgs) {
            SHARED_MEMORY(smem);
            fill_shared(smem, args.input);
            store_words(args.output, load_matrix_x4(shared_address(smem) + 16 * threadIdx.x));
        }
        KERNEL(load_matrix_transposed, SnippetArgs) {
            SHARED_MEMORY(smem);
            fill_shared(smem, args.input);
            store_words(args.output, load_matrix_x4_transposed(shared_address(smem) + 16 * threadIdx.x));
        }

        // Input: for each lane 4 words of A, 2 of B, 4 of C. Output: 4 of D.
        template <typename T>
        DEVICE void multiply(const SnippetArgs& args) {
            const u32* in = args.input + 10 * threadIdx.x;
            Accumulator d = {{as_float(in[6]), as_float(in[7]), as_float(in[8]), as_float(in[9])}};
            multiply_accumulate<T>(d, {in[0], in[1], in[2], in[3]}, in[4], in[5]);
            store_words(args.output, {as_bits(d.c[0]), as_bits(d.c[1]), as_bits(d.c[2]), as_bits(d.c[3])});
        }
        KERNEL(multiply_bf16, SnippetArgs) { multiply<bf16>(args); }
        KERNEL(multiply_f16, SnippetArgs) { multiply<f16>(args); }

        // Pairs of floats to words of two halves.
        KERNEL(pack_bf16, SnippetArgs) {
            args.output[threadIdx.x] = pack2<bf16>(as_float(args.input[2 * threadIdx.x]), as_float(args.input[2 * threadIdx.x + 1]));
        }
        KERNEL(pack_f16, SnippetArgs) {
            args.output[threadIdx.x] = pack2<f16>(as_float(args.input[2 * threadIdx.x]), as_float(args.input[2 * threadIdx.x + 1]));
        }
        // Words of two halves to pairs of floats.
        KERNEL(unpack_f16, SnippetArgs) {
            Floats2 pair = unpack2<f16>(args.input[threadIdx.x]);
            args.output[2 * threadIdx.x] = as_bits(pair.low), args.output[2 * threadIdx.x + 1] = as_bits(pair.high);
        }
        KERNEL(unpack_bf16, SnippetArgs) {
            Floats2 pair = unpack2<bf16>(args.input[threadIdx.x]);
            args.output[2 * threadIdx.x] = as_bits(pair.low), args.output[2 * threadIdx.x + 1] = as_bits(pair.high);
        }

        KERNEL(shuffles, SnippetArgs) {
            u32 value = args.input[threadIdx.x];
            for (u32 mask = 0; mask < kWarpSize; mask++) args.output[kWarpSize * mask + threadIdx.x] = shuffle_xor(value, mask);
        }
        KERNEL(shuffle_from, SnippetArgs) {
            args.output[threadIdx.x] = shuffle(args.input[threadIdx.x], args.input[32 + threadIdx.x]);
        }

        // Asynchronous copies with less to read than to write: the rest is zeros.
        KERNEL(partial_copies, SnippetArgs) {
            SHARED_MEMORY(smem);
            cp_async16(shared_address(smem) + 16 * threadIdx.x, args.input + 4 * threadIdx.x, threadIdx.x % 17);
            cp_async_commit();
            cp_async4(shared_address(smem) + 512 + 4 * threadIdx.x, args.input + threadIdx.x, threadIdx.x % 2 * 4);
            cp_async_commit();
            cp_async_wait<0>();
            warp_sync();
            for (u32 i = 0; i < 5; i++)
                args.output[kWarpSize * i + threadIdx.x] = reinterpret_cast<const u32*>(smem)[kWarpSize * i + threadIdx.x];
        }
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Ldmatrix(bool transposed)
    {
        uint[] input = RandomWords(128);
        uint[] output = Run(transposed ? "load_matrix_transposed" : "load_matrix", input, 4 * WarpSize);
        // Row r of the four tiles one below the other: 8 elements of 16 bits.
        ushort Element(int row, int column) => (ushort)(input[(4 * row) + (column / 2)] >> (16 * (column % 2)));
        for (int lane = 0; lane < WarpSize; lane++)
        {
            int g = lane / 4, t = lane % 4;
            for (int tile = 0; tile < 4; tile++)
            {
                (ushort low, ushort high) = transposed
                    ? (Element((8 * tile) + (2 * t), g), Element((8 * tile) + (2 * t) + 1, g))
                    : (Element((8 * tile) + g, 2 * t), Element((8 * tile) + g, (2 * t) + 1));
                Assert.Equal(low | ((uint)high << 16), output[(4 * lane) + tile]);
            }
        }
    }

    [Theory]
    [InlineData("multiply_bf16")]
    [InlineData("multiply_f16")]
    public void Mma(string entry)
    {
        ElementType type = entry == "multiply_bf16" ? ElementType.BF16 : ElementType.F16;
        float[] a = Numbers.Rounded(Numbers.Normal("a", 16 * 16), type), b = Numbers.Rounded(Numbers.Normal("b", 16 * 8), type);
        float[] c = Numbers.Normal("c", 16 * 8);
        uint[] input = new uint[10 * WarpSize];
        for (int lane = 0; lane < WarpSize; lane++)
        {
            int g = lane / 4, t = lane % 4;
            for (int r = 0; r < 4; r++)
            {
                int row = g + (8 * (r & 1)), k = (2 * t) + (8 * (r >> 1));
                input[(10 * lane) + r] = Pair(a[(16 * row) + k], a[(16 * row) + k + 1], type);
            }

            for (int r = 0; r < 2; r++)
            {
                int k = (2 * t) + (8 * r);
                input[(10 * lane) + 4 + r] = Pair(b[(8 * k) + g], b[(8 * (k + 1)) + g], type);
            }

            for (int i = 0; i < 4; i++)
                input[(10 * lane) + 6 + i] = BitConverter.SingleToUInt32Bits(c[IndexOfC(lane, i)]);
        }

        uint[] output = Run(entry, input, 4 * WarpSize);
        for (int lane = 0; lane < WarpSize; lane++)
        {
            for (int i = 0; i < 4; i++)
            {
                int index = IndexOfC(lane, i), row = index / 8, column = index % 8;
                double exact = c[index], magnitude = Math.Abs(c[index]);
                for (int k = 0; k < 16; k++)
                {
                    double product = (double)a[(16 * row) + k] * b[(8 * k) + column];
                    exact += product;
                    magnitude += Math.Abs(product);
                }

                // 17 terms in any order, each sum off by a bit of float32 at most, be it rounded or cut off.
                double actual = BitConverter.UInt32BitsToSingle(output[(4 * lane) + i]);
                Assert.True(Math.Abs(actual - exact) <= 17 * Numbers.Epsilon(ElementType.F32) * magnitude,
                    $"row {row}, column {column}: {actual}, not {exact}");
            }
        }

        // Element 2 h + e of lane l: row l / 4 + 8 h, column 2 (l % 4) + e.
        static int IndexOfC(int lane, int i) => (8 * ((lane / 4) + (8 * (i / 2)))) + (2 * (lane % 4)) + (i % 2);
    }

    [Theory]
    [InlineData("pack_bf16")]
    [InlineData("pack_f16")]
    public void Conversions_to_halves_round_to_nearest_even(string entry)
    {
        ElementType type = entry == "pack_bf16" ? ElementType.BF16 : ElementType.F16;
        float[] values = new float[512];
        float[] special = [0, -0.0f, 1, -1, 65504, 65519.996f, 65520, 1e30f, float.MaxValue, float.PositiveInfinity, float.NegativeInfinity,
            6.1e-5f, 5.96e-8f, 2.98e-8f, 2.9802322e-8f, 2.9802326e-8f, 1e-38f, 1e-40f, float.Epsilon, 1.00390625f, 1.01171875f,
            1.00048828125f, 1.00146484375f];
        Random random = new(5);
        for (int i = 0; i < values.Length; i++)
            values[i] = i < special.Length ? special[i] : BitConverter.UInt32BitsToSingle((uint)random.NextInt64(1L << 32));
        uint[] output = Run(entry, [.. values.Select(BitConverter.SingleToUInt32Bits)], 256, threads: 256);
        for (int i = 0; i < values.Length; i++)
        {
            ushort actual = (ushort)(output[i / 2] >> (16 * (i % 2)));
            ushort expected = type == ElementType.F16
                ? BitConverter.HalfToUInt16Bits((Half)values[i])
                : (ushort)(BitConverter.SingleToUInt32Bits((float)Numbers.Round(values[i], type)) >> 16);
            // Which NaN it is, is the device's choice.
            bool bothNaN = float.IsNaN(values[i]) && (actual & 0x7FFF) > (type == ElementType.F16 ? 0x7C00 : 0x7F80);
            Assert.True(bothNaN || actual == expected, $"{values[i]:R} becomes {actual:x4}, not {expected:x4}");
        }
    }

    [Fact]
    public void Conversions_from_halves_are_exact()
    {
        // All halves, 512 at a time.
        for (int start = 0; start < 1 << 16; start += 512)
        {
            uint[] words = [.. Enumerable.Range(start / 2, 256).Select(i => (uint)(2 * i) | ((uint)((2 * i) + 1) << 16))];
            uint[] f16 = Run("unpack_f16", words, 512, threads: 256), bf16 = Run("unpack_bf16", words, 512, threads: 256);
            for (int i = 0; i < 512; i++)
            {
                float expected = (float)BitConverter.UInt16BitsToHalf((ushort)(start + i)),
                    actual = BitConverter.UInt32BitsToSingle(f16[i]);
                bool same = float.IsNaN(expected) ? float.IsNaN(actual) : BitConverter.SingleToUInt32Bits(expected) == f16[i];
                Assert.True(same, $"f16 {start + i:x4}");
                Assert.Equal((uint)(start + i) << 16, bf16[i]);
            }

            // Special numbers are at the ends; in between every eighth piece will do.
            if (start is > 2048 and < 29 * 1024)
                start += 7 * 512;
        }
    }

    [Fact]
    public void Shuffles()
    {
        uint[] input = [.. Enumerable.Range(0, 32).Select(lane => (uint)(1000 + lane)),
            .. Enumerable.Range(0, 32).Select(lane => (uint)(lane * 7 % 32))];
        uint[] output = Run("shuffles", input, 1024);
        for (int mask = 0; mask < WarpSize; mask++)
        {
            for (int lane = 0; lane < WarpSize; lane++)
                Assert.Equal((uint)(1000 + (lane ^ mask)), output[(WarpSize * mask) + lane]);
        }

        Assert.Equal([.. Enumerable.Range(0, 32).Select(lane => (uint)(1000 + (lane * 7 % 32)))], Run("shuffle_from", input, 32));
    }

    [Fact]
    public void Cp_async_fills_up_with_zeros()
    {
        uint[] input = RandomWords(128);
        byte[] bytes = [.. input.SelectMany(BitConverter.GetBytes)];
        uint[] output = Run("partial_copies", input, 160);
        byte[] copied = [.. output.SelectMany(BitConverter.GetBytes)];
        for (int lane = 0; lane < WarpSize; lane++)
        {
            for (int i = 0; i < 16; i++)
                Assert.Equal(i < lane % 17 ? bytes[(16 * lane) + i] : 0, copied[(16 * lane) + i]);
            Assert.Equal(lane % 2 == 0 ? 0 : input[lane], output[128 + lane]);
        }
    }

    private static uint[] Run(string entry, uint[] input, int wordCount, int threads = WarpSize)
    {
        using Snippet snippet = new(Text);
        snippet.Device.Upload(snippet.Input, (ReadOnlySpan<uint>)input);
        snippet.Run(entry, threads);
        return snippet.Words(wordCount);
    }

    private static uint Pair(float low, float high, ElementType type)
    {
        byte[] bytes = Numbers.ToBytes([low, high], type);
        return BitConverter.ToUInt32(bytes);
    }

    private static uint[] RandomWords(int count)
    {
        Random random = new(3);
        return [.. Enumerable.Range(0, count).Select(_ => (uint)random.NextInt64(1L << 32))];
    }
}
