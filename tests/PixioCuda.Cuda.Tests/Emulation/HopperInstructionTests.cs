using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Instructions of sm_90a that have no tests of their own elsewhere.</summary>
public sealed class HopperInstructionTests
{
    private const int Columns = 16;
    private const int Rows = 8;

    // Where the box of the store ends.
    private const int Behind = 128;

    private const string Text = """
        KERNEL(elect, HopperArgs) {
            args.output[threadIdx.x] = elect_one() ? 1 : 0;
            args.output[128 + threadIdx.x] = elect_one() ? 1 : 0;
        }
        // The thread that stores a box reads it back from global memory once it has waited.
        KERNEL(store_and_read, HopperArgs) {
            SHARED_MEMORY(smem);
            store_shared4(shared_address(smem) + 4 * threadIdx.x, args.input[threadIdx.x] + 100);
            fence_proxy_async();
            block_sync();
            if (threadIdx.x == 32) {
                tensor_store(args.store, 0, 0, shared_address(smem));
                tensor_store_commit();
                tensor_store_wait<0>();
                for (u32 i = 0; i < 128; i++)
                    args.output[128 + i] = args.output[i];
            }
        }
        // Each thread reads what the thread with its number wrote in the next block of the cluster.
        KERNEL(read_neighbour, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress place = shared_address(smem) + 16 * threadIdx.x;
            u32 rank = cluster_rank(), value = args.input[100 * rank + threadIdx.x];
            store_shared16(place, {value, value + 1, value + 2, value + 3});
            cluster_arrive();
            cluster_wait();
            Words4 words = load_shared16_at(place, (rank + 1) % args.count);
            store_global16(args.output + 4 * (128 * blockIdx.x + threadIdx.x), words);
            cluster_arrive();
            cluster_wait();
        }
        """;

    /// <summary>Of 16 blocks only where the kernel is allowed to have as many, which a launch sees to.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    public void Blocks_of_a_cluster_read_what_the_others_wrote(int cluster)
    {
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            using HopperSnippet snippet = new(Text);
            snippet.Run("read_neighbour", threads: 128, blocks: 2 * cluster, cluster, count: (uint)cluster);
            uint[] expected =
            [
                .. from block in Enumerable.Range(0, 2 * cluster)
                   from thread in Enumerable.Range(0, 128)
                   from word in Enumerable.Range(0, 4)
                   select (uint)((100 * ((block + 1) % cluster)) + thread + word),
            ];
            Assert.Equal(expected, snippet.Words(expected.Length));
        }
    }

    [Fact]
    public void One_lane_of_each_warp_is_elected_and_it_is_the_same_one_again()
    {
        using HopperSnippet snippet = new(Text);
        snippet.Run("elect", threads: 128);
        uint[] words = snippet.Words(256);
        for (int warp = 0; warp < 4; warp++)
            Assert.Equal(1, words[(32 * warp)..(32 * (warp + 1))].Sum(word => (int)word));
        Assert.Equal(words[..128], words[128..]);
    }

    [Fact]
    public void Who_has_waited_for_its_tensor_store_reads_what_it_stored()
    {
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            using HopperSnippet snippet = new(Text);
            snippet.StoreMap = snippet.Map(snippet.Output, TensorMapType.Float32, Columns, Rows, Columns, Rows);
            snippet.Run("store_and_read", threads: Columns * Rows);
            uint[] words = snippet.Words(Behind + (Columns * Rows));
            Assert.Equal([.. Enumerable.Range(100, Columns * Rows).Select(i => (uint)i)], words[Behind..]);
        }
    }
}
