using System.Globalization;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>wgmma against its definition: descriptors in every layout, operands in registers, all kinds of column counts.</summary>
public sealed class WarpgroupProductTests
{
    private const int Rows = 64, Depth = 64, Warpgroup = 128;

    // A from byte 0 of shared memory, B from 16384, as the host has laid them out; the sums begin at their numbers. 64 along K.
    private const string Text = """
        KERNEL(product, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress a = shared_address(smem), b = a + 16384;
            for (u32 i = threadIdx.x; i < 16384; i += blockDim.x) store_shared4(a + 4 * i, args.input[i]);
            fence_proxy_async();
            block_sync();
            float sums[COLUMNS / 2];
            for (u32 i = 0; i < COLUMNS / 2; i++) sums[i] = static_cast<float>(i);
            u32 fragments[4][4];
            for (u32 step = 0; step < 4; step++) {
                for (u32 r = 0; r < 4; r++) {
                    u32 row = threadIdx.x / 32 * 16 + lane_index() / 4 + 8 * (r % 2), k = 16 * step + 2 * (lane_index() % 4) + 8 * (r / 2);
                    fragments[step][r] = load_shared4(a + 128 * row + 2 * k);
                }
            }
            wgmma_fence();
            for (u32 step = 0; step < 4; step++) {
                u64 b_matrix = matrix_descriptor<Swizzle::B_SWIZZLE>(b + B_STEP, B_LEADING, B_STRIDE);
                if constexpr (A_IN_REGISTERS) {
                    wgmma_registers<COLUMNS, ELEMENT, B_MN_MAJOR>(sums, fragments[step], b_matrix, ACCUMULATE || step > 0);
                } else {
                    u64 a_matrix = matrix_descriptor<Swizzle::A_SWIZZLE>(a + A_STEP, A_LEADING, A_STRIDE);
                    wgmma_shared<COLUMNS, ELEMENT, A_MN_MAJOR, B_MN_MAJOR>(sums, a_matrix, b_matrix, ACCUMULATE || step > 0);
                }
            }
            wgmma_commit();
            wgmma_wait<0>(sums);
            for (u32 i = 0; i < COLUMNS / 2; i++) args.output[threadIdx.x * (COLUMNS / 2) + i] = as_bits(sums[i]);
        }
        """;

    [Theory]
    // Element, columns, swizzles of A and B (bytes; negative: rows along M or N), A in registers, accumulate.
    [InlineData("BF16", 8, 128, 128, false, false)]
    [InlineData("BF16", 24, 64, 32, false, true)]
    [InlineData("F16", 80, 32, 64, false, false)]
    [InlineData("BF16", 96, 0, 0, false, true)]
    [InlineData("BF16", 176, 128, 128, false, false)]
    [InlineData("F16", 256, 128, 128, false, true)]
    [InlineData("BF16", 128, -128, -128, false, false)]
    [InlineData("BF16", 64, -64, -32, false, true)]
    [InlineData("F16", 64, 128, -64, false, false)]
    [InlineData("BF16", 80, 0, 128, true, false)]
    [InlineData("F16", 96, 0, -32, true, true)]
    [InlineData("BF16", 64, 0, -128, true, true)]
    public void The_sums_are_those_of_the_definition(
        string element, int columns, int aSwizzle, int bSwizzle, bool aInRegisters, bool accumulate)
    {
        ElementType type = Enum.Parse<ElementType>(element);
        float[] a = Numbers.Rounded(Numbers.Normal("a", Rows * Depth), type);
        float[] b = Numbers.Rounded(Numbers.Normal("b", columns * Depth), type);
        Layout aLayout = new(aSwizzle, Rows), bLayout = new(bSwizzle, columns);
        byte[] bytes = new byte[65536];
        Place(bytes, 0, a, Rows, type, aInRegisters ? (row, k) => (128 * row) + (2 * k) : aLayout.Address);
        Place(bytes, 16384, b, columns, type, bLayout.Address);
        uint[] input = new uint[HopperSnippet.WordCount];
        Buffer.BlockCopy(bytes, 0, input, 0, bytes.Length);

        using HopperSnippet snippet = new(Define(type, columns, aLayout, bLayout, aInRegisters, accumulate));
        snippet.Device.Upload(snippet.Input, (ReadOnlySpan<uint>)input);
        for (ulong seed = 1; seed <= 6; seed++)
        {
            Emulator.SetSeed(seed);
            snippet.Run("product", Warpgroup);
            uint[] output = snippet.Words(Rows * columns);
            for (int thread = 0; thread < Warpgroup; thread++)
            {
                for (int i = 0; i < columns / 2; i++)
                {
                    int lane = thread % 32, column = (8 * (i / 4)) + (2 * (lane % 4)) + (i % 2);
                    int row = (16 * (thread / 32)) + (lane / 4) + (8 * (i / 2 % 2));
                    double exact = accumulate ? i : 0, magnitude = exact;
                    for (int k = 0; k < Depth; k++)
                    {
                        double product = (double)a[(row * Depth) + k] * b[(column * Depth) + k];
                        exact += product;
                        magnitude += Math.Abs(product);
                    }

                    double actual = BitConverter.UInt32BitsToSingle(output[(thread * columns / 2) + i]);
                    Assert.True(Math.Abs(actual - exact) <= (Depth + 1) * Numbers.Epsilon(ElementType.F32) * magnitude,
                        $"seed {seed}, row {row}, column {column}: {actual}, not {exact}");
                }
            }
        }
    }

    private static void Place(byte[] bytes, int start, float[] values, int rows, ElementType type, Func<int, int, int> address)
    {
        byte[] halves = Numbers.ToBytes(values, type);
        for (int row = 0; row < rows; row++)
        {
            for (int k = 0; k < Depth; k++)
                halves.AsSpan(2 * ((row * Depth) + k), 2).CopyTo(bytes.AsSpan(start + address(row, k)));
        }
    }

    private static string Define(ElementType type, int columns, Layout a, Layout b, bool aInRegisters, bool accumulate)
    {
        (string, string)[] defines =
        [
            ("ELEMENT", type == ElementType.BF16 ? "bf16" : "f16"), ("COLUMNS", $"{columns}"),
            ("A_IN_REGISTERS", aInRegisters ? "true" : "false"),
            ("ACCUMULATE", accumulate ? "true" : "false"), .. a.Defines("A"), .. b.Defines("B"),
        ];
        return string.Concat(defines.Select(define => $"#define {define.Item1} {define.Item2}\n")) + Text;
    }

    /// <summary>How an operand lies: the canonical layouts of the PTX manual (9.7.15.5.1.2.1.3), by tables of their own.</summary>
    private sealed record Layout(int Swizzle, int Elements)
    {
        private int Span => Math.Abs(Swizzle);

        private bool MnMajor => Swizzle < 0;

        /// <summary>The byte of an element.</summary>
        public int Address(int mn, int k)
        {
            if (Swizzle == 0)
                return (k / 8 * Elements * 16) + (mn * 16) + (k % 8 * 2);
            // Panels of one span; within them rows of 16-byte pieces, of which those of 8, 4 or 2 rows change places.
            (int row, int along, int rowCount) = MnMajor ? (k, mn, Depth) : (mn, k, Elements);
            int panel = along / (Span / 2), piece = along % (Span / 2) / 8;
            int place = Span switch
            {
                128 => piece ^ (row % 8),
                64 => piece ^ (row / 2 % 4),
                _ => piece ^ (row / 4 % 2),
            };
            return (panel * rowCount * Span) + (row * Span) + (place * 16) + (along % 8 * 2);
        }

        public IEnumerable<(string, string)> Defines(string name)
        {
            yield return ($"{name}_SWIZZLE", Swizzle == 0 ? "kNone" : $"k{Span}");
            yield return ($"{name}_MN_MAJOR", MnMajor ? "true" : "false");
            string step = Swizzle == 0 ? $"step * {2 * Elements * 16}"
                : MnMajor ? $"step * {16 * Span}"
                : $"step * 32 / {Span} * {Elements * Span} + step * 32 % {Span}";
            (int leading, int stride) = Swizzle == 0 ? (Elements * 16, 128) : MnMajor ? (Depth * Span, 8 * Span) : (0, 8 * Span);
            yield return ($"{name}_STEP", step);
            yield return ($"{name}_LEADING", leading.ToString(CultureInfo.InvariantCulture));
            yield return ($"{name}_STRIDE", stride.ToString(CultureInfo.InvariantCulture));
        }
    }
}
