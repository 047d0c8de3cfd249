using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Tensor copies: swizzles by the tables of the PTX manual (5.5.7), what lies outside of the tensor, three dimensions,
/// multicast.</summary>
public sealed class TensorCopyTests
{
    private const int Seeds = 8;

    private const string Text = """
        // One box to shared memory, as it lies there to the output. The origin is packed in count: x, y, z as signed bytes.
        DEVICE void copy_out(const HopperArgs& args, unsigned char* smem, u32 words) {
            for (u32 i = threadIdx.x; i < words; i += blockDim.x)
                args.output[blockIdx.x * words + i] = load_shared4(shared_address(smem) + 4 * i);
        }
        DEVICE SharedAddress make_barrier(unsigned char* smem) {
            SharedAddress barrier = shared_address(smem) + 32768;
            if (threadIdx.x == 0) {
                mbarrier_init(barrier, 1);
                fence_mbarrier_init();
            }
            block_sync();
            return barrier;
        }
        DEVICE i32 coordinate(u32 count, u32 d) { return static_cast<signed char>(count >> 8 * d); }
        KERNEL(load_2d, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress barrier = make_barrier(smem);
            if (threadIdx.x == 0) {
                prefetch_tensor_map(args.load);
                mbarrier_arrive_expect_bytes(barrier, BOX_BYTES);
                tensor_load(shared_address(smem), args.load, coordinate(args.count, 0), coordinate(args.count, 1), barrier);
            }
            mbarrier_wait(barrier, 0);
            copy_out(args, smem, BOX_BYTES / 4);
        }
        KERNEL(load_3d, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress barrier = make_barrier(smem);
            if (threadIdx.x == 0) {
                // The copy may be faster than what announces it.
                i32 x = coordinate(args.count, 0), y = coordinate(args.count, 1), z = coordinate(args.count, 2);
                tensor_load(shared_address(smem), args.load, x, y, z, barrier);
                mbarrier_arrive_expect_bytes(barrier, BOX_BYTES);
            }
            while (!mbarrier_try_wait(barrier, 0)) {}
            copy_out(args, smem, BOX_BYTES / 4);
        }
        // What was loaded goes out again by a tensor store, from another thread's writes.
        KERNEL(store_2d, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress barrier = make_barrier(smem), copy = shared_address(smem) + 16384;
            if (threadIdx.x == 0) {
                mbarrier_arrive_expect_bytes(barrier, BOX_BYTES);
                tensor_load(shared_address(smem), args.load, 0, 0, barrier);
            }
            mbarrier_wait(barrier, 0);
            for (u32 i = threadIdx.x; i < BOX_BYTES / 4; i += blockDim.x)
                store_shared4(copy + 4 * i, load_shared4(shared_address(smem) + 4 * i));
            fence_proxy_async();
            block_sync();
            if (threadIdx.x == 32) {
                tensor_store(args.store, coordinate(args.count, 0), coordinate(args.count, 1), copy);
                tensor_store_commit();
                tensor_store_wait_read<0>();
            }
        }
        // Each block of a cluster of two loads its half of the box, for both.
        KERNEL(multicast, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress barrier = make_barrier(smem);
            cluster_arrive();
            cluster_wait();
            if (threadIdx.x == 0) {
                mbarrier_arrive_expect_bytes(barrier, 2 * BOX_BYTES);
                u32 rank = cluster_rank();
                tensor_load_multicast(shared_address(smem) + rank * BOX_BYTES, args.load, 0, static_cast<i32>(8 * rank), barrier, 3);
            }
            mbarrier_wait_cluster(barrier, 0);
            copy_out(args, smem, 2 * BOX_BYTES / 4);
            cluster_arrive();
            cluster_wait();
        }
        """;

    public static TheoryData<int, int, int> Swizzles
    {
        get
        {
            TheoryData<int, int, int> data = [];
            foreach (int swizzle in new[] { 0, 1, 2, 3 })
            {
                foreach ((int x, int y) in new[] { (0, 0), (8, 3), (-3, -5), (100, 30), (120, 60) })
                    data.Add(swizzle, x, y);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Swizzles))]
    public void A_box_lies_swizzled_with_zeros_outside_of_the_tensor(int swizzle, int x, int y)
    {
        // 112 x 40 halves: half number i has the value i.
        const int Columns = 112, Rows = 40, BoxRows = 24;
        int boxColumns = swizzle == 0 ? 40 : 8 << swizzle, boxBytes = boxColumns * 2 * BoxRows;
        using HopperSnippet snippet = new(Defined(boxBytes));
        snippet.Device.Upload(snippet.Input, (ReadOnlySpan<uint>)Halves());
        snippet.LoadMap = snippet.Map(snippet.Input, TensorMapType.BFloat16, Columns, Rows, boxColumns, BoxRows, (TensorMapSwizzle)swizzle);
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            Emulator.SetSeed(seed);
            snippet.Run("load_2d", count: Packed(x, y, 0));
            ushort[] box = HalvesOf(snippet.Words(boxBytes / 4));
            for (int row = 0; row < BoxRows; row++)
            {
                for (int column = 0; column < boxColumns; column++)
                {
                    int inX = x + column, inY = y + row;
                    bool inside = inX is >= 0 and < Columns && inY is >= 0 and < Rows;
                    ushort actual = box[(row * boxColumns) + (8 * Chunk(swizzle, row, column / 8)) + (column % 8)];
                    Assert.Equal(inside ? (inY * Columns) + inX : 0, actual);
                }
            }
        }
    }

    [Fact]
    public void A_box_of_three_dimensions_is_taken_from_each_image()
    {
        // 5 images of 6 rows of 16 words, of which 12 belong to the tensor.
        const int BoxBytes = 8 * 4 * 4 * 3;
        using HopperSnippet snippet = new(Defined(BoxBytes));
        snippet.LoadMap = snippet.Device.EncodeTensorMap(
            new TensorMapSpec(TensorMapType.Float32, snippet.Input.Pointer.Address, [12, 6, 5], [64, 384], [8, 4, 3]));
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            Emulator.SetSeed(seed);
            snippet.Run("load_3d", count: Packed(7, 4, 3));
            uint[] box = snippet.Words(BoxBytes / 4);
            for (int i = 0; i < box.Length; i++)
            {
                int x = 7 + (i % 8), y = 4 + (i / 8 % 4), z = 3 + (i / 32);
                Assert.Equal(x < 12 && y < 6 && z < 5 ? (uint)((96 * z) + (16 * y) + x) : 0, box[i]);
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_store_takes_the_swizzle_back_and_drops_what_lies_outside(int swizzle)
    {
        const int Columns = 72, Rows = 20, BoxRows = 16, X = 24, Y = 8;
        var pattern = (TensorMapSwizzle)swizzle;
        int boxColumns = swizzle == 0 ? 64 : 8 << swizzle, boxBytes = boxColumns * 2 * BoxRows;
        using HopperSnippet snippet = new(Defined(boxBytes));
        snippet.Device.Upload(snippet.Input, (ReadOnlySpan<uint>)Halves());
        snippet.LoadMap = snippet.Map(snippet.Input, TensorMapType.BFloat16, boxColumns, BoxRows, boxColumns, BoxRows, pattern);
        snippet.StoreMap = snippet.Map(snippet.Output, TensorMapType.BFloat16, Columns, Rows, boxColumns, BoxRows, pattern);
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            Emulator.SetSeed(seed);
            uint[] empty = [.. Enumerable.Repeat(0xFFFFFFFFu, HopperSnippet.WordCount)];
            snippet.Device.Upload(snippet.Output, (ReadOnlySpan<uint>)empty);
            snippet.Run("store_2d", count: Packed(X, Y, 0));
            ushort[] matrix = HalvesOf(snippet.Words(HopperSnippet.WordCount));
            for (int i = 0; i < matrix.Length; i++)
            {
                int x = (i % Columns) - X, y = (i / Columns) - Y;
                bool inside = i < Rows * Columns && x >= 0 && x < boxColumns && y is >= 0 and < BoxRows;
                Assert.Equal(inside ? (ushort)((y * boxColumns) + x) : 0xFFFF, matrix[i]);
            }
        }
    }

    [Fact]
    public void Both_blocks_of_a_cluster_get_what_each_loads()
    {
        // Boxes of 32 x 8 words, rows of 32.
        const int BoxBytes = 32 * 4 * 8;
        using HopperSnippet snippet = new(Defined(BoxBytes));
        snippet.LoadMap = snippet.Map(snippet.Input, TensorMapType.Float32, 32, 16, 32, 8);
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            Emulator.SetSeed(seed);
            snippet.Run("multicast", blocks: 6, cluster: 2);
            uint[] words = snippet.Words(6 * 512);
            for (int i = 0; i < words.Length; i++)
                Assert.Equal((uint)(i % 512), words[i]);
        }
    }

    // Which 16 bytes of a row have those of a column: the manual's tables, written down for 8 rows of 128 bytes.
    private static int Chunk(int swizzle, int row, int chunk) => swizzle switch
    {
        1 => chunk ^ (row / 4 % 2),
        2 => chunk ^ (row / 2 % 4),
        3 => chunk ^ (row % 8),
        _ => chunk,
    };

    private static string Defined(int boxBytes) => $"#define BOX_BYTES {boxBytes}u\n{Text}";

    private static uint Packed(int x, int y, int z) => (byte)x | ((uint)(byte)y << 8) | ((uint)(byte)z << 16);

    private static uint[] Halves()
        => [.. Enumerable.Range(0, HopperSnippet.WordCount).Select(i => (uint)(ushort)(2 * i) | ((uint)(ushort)((2 * i) + 1) << 16))];

    private static ushort[] HalvesOf(uint[] words) => [.. words.SelectMany(word => new[] { (ushort)word, (ushort)(word >> 16) })];
}
