using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>What the emulated driver finds in kernels for sm_90a: each of these has one mistake.</summary>
[Collection(nameof(EmulatorAlone))]
[Trait(Emulator.Category, Emulator.Only)]
public sealed class HopperFaultTests
{
    // A product of two tiles that a tensor copy has brought, 64 x 64 of A at 0 and 64 x 64 of B at 8192; MISTAKE takes one thing away.
    private const string Text = """
        DEVICE void store_sums(const HopperArgs& args, const float (&sums)[32]) {
            for (u32 i = 0; i < 32; i++) args.output[threadIdx.x + 128 * i] = as_bits(sums[i]);
        }
        DEVICE void multiply(float (&sums)[32], SharedAddress a, SharedAddress b) {
            for (u32 step = 0; step < 4; step++)
                wgmma_shared<64, bf16>(sums, matrix_descriptor<Swizzle::k128>(a + 32 * step, 0, 1024),
                    matrix_descriptor<Swizzle::k128>(b + 32 * step, 0, 1024), step > 0);
        }
        KERNEL(copied, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress a = shared_address(smem), b = a + 8192, barrier = a + 32768;
            if (threadIdx.x == 0) {
                mbarrier_init(barrier, 1);
                if (MISTAKE != 1) fence_mbarrier_init();
            }
            block_sync();
            if (threadIdx.x == 0) {
                mbarrier_arrive_expect_bytes(barrier, MISTAKE == 2 ? 8192 : 16384);
                tensor_load(a, args.load, 0, 0, barrier);
                tensor_load(MISTAKE == 3 ? b + 128 : b, args.load, 0, 0, barrier);
            }
            if (MISTAKE != 4) mbarrier_wait(barrier, MISTAKE == 5 ? 1 : 0);
            float sums[32];
            clear_sums(sums);
            if (MISTAKE != 6) wgmma_fence();
            multiply(sums, a, b);
            if (MISTAKE != 7) wgmma_commit();
            if (MISTAKE == 8) store_shared4(b + 4 * threadIdx.x, 0);
            if (MISTAKE == 9 && threadIdx.x == 0) {
                mbarrier_arrive_expect_bytes(barrier, 8192);
                tensor_load(b, args.load, 0, 0, barrier);
            }
            if (MISTAKE != 10) wgmma_wait<0>(sums);
            store_sums(args, sums);
            if (MISTAKE == 11 && threadIdx.x == 0) {
                // The others may not have ended their products.
                mbarrier_arrive_expect_bytes(barrier, 8192);
                tensor_load(b, args.load, 0, 0, barrier);
                mbarrier_wait(barrier, 1);
            }
            if (MISTAKE == 12 && threadIdx.x == 0) {
                block_sync();
                tensor_load(b, args.load, 0, 0, barrier);
            } else if (MISTAKE == 12) {
                block_sync();
            }
        }
        KERNEL(written, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress a = shared_address(smem), b = a + 8192;
            for (u32 i = threadIdx.x; i < 4096; i += blockDim.x) store_shared4(a + 4 * i, 0x3F803F80u);
            if (MISTAKE != 1) fence_proxy_async();
            if (MISTAKE == 2) store_shared4(a + 4 * threadIdx.x, 0);
            if (MISTAKE != 3) block_sync();
            float sums[32];
            wgmma_fence();
            multiply(sums, MISTAKE == 4 ? a + 128 : a, b);
            if (MISTAKE == 5 && threadIdx.x >= 32) multiply(sums, a, b);
            if (MISTAKE == 6) multiply(sums, a, threadIdx.x % 32 == 7 ? a : b);
            wgmma_commit();
            wgmma_wait<0>(sums);
            store_sums(args, sums);
        }
        KERNEL(from_registers, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress b = shared_address(smem);
            for (u32 i = threadIdx.x; i < 2048; i += blockDim.x) store_shared4(b + 4 * i, 0x3F803F80u);
            fence_proxy_async();
            block_sync();
            float sums[32];
            u32 fragments[2][4];
            for (u32 r = 0; r < 4; r++) fragments[0][r] = 0x3F803F80u, fragments[1][r] = 0x40004000u;
            wgmma_fence();
            wgmma_registers<64, bf16>(sums, fragments[0], matrix_descriptor<Swizzle::k128>(b, 0, 1024), false);
            wgmma_commit();
            if (MISTAKE != 1) wgmma_fence();
            wgmma_registers<64, bf16>(sums, fragments[1], matrix_descriptor<Swizzle::k128>(b, 0, 1024), true);
            wgmma_commit();
            if (MISTAKE == 2) for (u32 r = 0; r < 4; r++) fragments[1][r] = 0;
            wgmma_wait<0>(sums);
            store_sums(args, sums);
        }
        KERNEL(stored, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress tile = shared_address(smem);
            for (u32 i = threadIdx.x; i < 2048; i += blockDim.x) store_shared4(tile + 4 * i, i);
            if (MISTAKE != 1) fence_proxy_async();
            if (MISTAKE != 2) block_sync();
            if (threadIdx.x == 0) {
                tensor_store(args.store, MISTAKE == 3 ? -8 : 0, 0, tile);
                if (MISTAKE != 4) tensor_store_commit();
                if (MISTAKE != 5) tensor_store_wait_read<0>();
                if (MISTAKE == 6) tensor_store(args.store, 0, 0, tile);
                if (MISTAKE == 6) tensor_store_commit();
            }
            if (MISTAKE == 6) {
                block_sync();
                store_shared4(tile + 4 * threadIdx.x, 0);
                if (threadIdx.x == 0) tensor_store_wait_read<0>();
            }
        }
        KERNEL(clusters, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress barrier = shared_address(smem);
            if (threadIdx.x == 0) {
                mbarrier_init(barrier, 2);
                if (MISTAKE != 1) fence_mbarrier_init();
            }
            if (MISTAKE == 2) {
                block_sync();
            } else {
                cluster_arrive();
                cluster_wait();
            }
            if (threadIdx.x < 2) mbarrier_arrive_at(barrier, threadIdx.x == 1 && MISTAKE == 3 ? 2 : threadIdx.x);
            mbarrier_wait_cluster(barrier, 0);
            if (MISTAKE == 4 && threadIdx.x == 0) {
                mbarrier_expect_bytes(barrier, 16);
                for (u32 i = 0; i < 3; i++) mbarrier_arrive(barrier);
            }
            if (MISTAKE == 5 && threadIdx.x == 0) cluster_wait();
            if (MISTAKE == 6 && cluster_rank() == 0 && threadIdx.x == 0) mbarrier_wait(barrier, 1);
            if (MISTAKE == 6 && cluster_rank() == 0) mbarrier_arrive_at(barrier, 1);
            if (MISTAKE == 7 && threadIdx.x == 0) args.output[0] = load_shared4(barrier);
            if (MISTAKE == 8 && threadIdx.x == 0) store_shared4(barrier + 4, 0);
        }
        KERNEL(neighbours, HopperArgs) {
            SHARED_MEMORY(smem);
            SharedAddress place = shared_address(smem) + 16 * threadIdx.x;
            if (MISTAKE != 1) store_shared16(place, {0, 1, 2, 3});
            if (MISTAKE != 2) {
                cluster_arrive();
                cluster_wait();
            }
            Words4 words = load_shared16_at(place, MISTAKE == 3 ? 2 : 1 - cluster_rank());
            if (MISTAKE == 4) store_shared16(place, words);
            args.output[threadIdx.x + blockDim.x * blockIdx.x] = words.y;
            cluster_arrive();
            cluster_wait();
        }
        KERNEL(registers, HopperArgs) {
            // 384 threads begin with 168 registers each.
            if (threadIdx.x < 256)
                take_registers<MISTAKE == 3 ? 120 : 240>();
            else if (MISTAKE != 4)
                give_registers<MISTAKE == 1 ? 128 : MISTAKE == 2 ? 30 : 24>();
            args.output[threadIdx.x] = 1;
        }
        """;

    /// <summary>Kernel, number of the mistake, and a part of what is said of it; several when the seed decides which is found.</summary>
    public static TheoryData<string, int, string[]> Mistakes => new()
    {
        { "copied", 1, ["with no fence.mbarrier_init behind it"] },
        { "copied", 2, ["a tensor copy wrote", "is under way", "was never written", "hangs"] },
        { "copied", 3, ["was never written", "asynchronous copy", "a tensor copy wrote"] },
        { "copied", 4, ["a tensor copy wrote", "is under way", "was never written"] },
        { "copied", 5, ["a tensor copy wrote", "is under way", "was never written", "hangs"] },
        { "copied", 6, ["no wgmma.fence since they were touched"] },
        { "copied", 7, ["ends with products"] },
        { "copied", 8, ["which a product of warp"] },
        { "copied", 9, ["which a product of warp"] },
        { "copied", 10, ["ends with products"] },
        { "copied", 11, ["which a product of warp", "is under way", "hangs"] },
        { "copied", 12, ["ends while tensor loads into its block's shared memory are under way", "that nobody expected"] },
        { "written", 1, ["with no fence.proxy.async behind it"] },
        { "written", 2, ["with no fence.proxy.async behind it"] },
        { "written", 3, ["with no barrier in between", "was never written"] },
        { "written", 4, ["a tile off its swizzle's pattern"] },
        { "written", 5, ["of which its warpgroup executed", "differs from the one"] },
        { "written", 6, ["another descriptor"] },
        { "from_registers", 1, ["no wgmma.fence in this group"] },
        { "stored", 1, ["with no fence.proxy.async behind it"] },
        { "stored", 2, ["with no barrier in between", "was never written"] },
        { "stored", 3, ["at the coordinate -8"] },
        { "stored", 4, ["ends while its tensor stores may still read"] },
        { "stored", 5, ["ends while its tensor stores may still read"] },
        { "stored", 6, ["from which a tensor store may still read"] },
        { "clusters", 2, ["no mbarrier was made", "with no barrier in between", "has ended", "hangs"] },
        { "clusters", 3, ["mapa for block 2"] },
        { "clusters", 4, ["to which all 2 have come"] },
        { "clusters", 5, ["without having arrived there"] },
        { "clusters", 6, ["has ended", "hangs", "to which all"] },
        { "clusters", 7, ["which is an mbarrier"] },
        { "clusters", 8, ["which is an mbarrier"] },
        { "neighbours", 1, ["was never written"] },
        { "neighbours", 2, ["was never written", "with no barrier in between", "has ended"] },
        { "neighbours", 3, ["mapa for block 2"] },
        { "neighbours", 4, ["read, with no barrier in between", "wrote, with no barrier in between"] },
        { "registers", 1, ["hangs"] },
        { "registers", 2, ["a multiple of 8 from 24 to 256"] },
        { "registers", 3, ["setmaxnreg.inc 120 with 168 registers"] },
        { "registers", 4, ["hangs"] },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void A_mistake_is_found_whatever_the_seed(string kernel, int mistake, string[] parts)
        => HopperSnippet.AssertCaught(
            $"#define MISTAKE {mistake}\n{Text}",
            snippet => Run(snippet, kernel), parts);

    [Theory]
    [InlineData("copied")]
    [InlineData("written")]
    [InlineData("from_registers")]
    [InlineData("stored")]
    [InlineData("clusters")]
    [InlineData("neighbours")]
    [InlineData("registers")]
    public void Without_its_mistake_each_kernel_runs_through(string kernel)
    {
        using HopperSnippet snippet = new($"#define MISTAKE 0\n{Text}");
        for (ulong seed = 1; seed <= 12; seed++)
        {
            Emulator.SetSeed(seed);
            Run(snippet, kernel);
        }
    }

    [Fact]
    public void Registers_that_are_changed_before_the_wait_change_the_sums_for_some_seeds()
    {
        Emulator.RequireEmulation();
        HashSet<float> sums = [];
        using HopperSnippet snippet = new($"#define MISTAKE 2\n{Text}");
        for (ulong seed = 1; seed <= 24; seed++)
        {
            Emulator.SetSeed(seed);
            Run(snippet, "from_registers");
            sums.Add(BitConverter.UInt32BitsToSingle(snippet.Words(1)[0]));
        }

        // 16 products of 1 by 1 and 16 of 2 by 1, of which those are missing whose lanes had changed their registers.
        Assert.Contains(48, sums);
        Assert.Contains(sums, sum => sum is >= 16 and < 48);
    }

    [Fact]
    public void Sums_are_NaN_until_they_are_waited_for()
    {
        Emulator.RequireEmulation();
        using HopperSnippet snippet = new("""
            KERNEL(early, HopperArgs) {
                SHARED_MEMORY(smem);
                SharedAddress tile = shared_address(smem);
                for (u32 i = threadIdx.x; i < 2048; i += blockDim.x) store_shared4(tile + 4 * i, 0);
                fence_proxy_async();
                block_sync();
                float sums[4], others[4];
                wgmma_fence();
                u64 matrix = matrix_descriptor<Swizzle::k128>(tile, 0, 1024);
                wgmma_shared<8, bf16>(sums, matrix, matrix, false);
                wgmma_commit();
                wgmma_shared<8, bf16>(others, matrix, matrix, false);
                wgmma_commit();
                args.output[threadIdx.x] = as_bits(sums[0]);
                wgmma_wait<1>(sums);
                args.output[128 + threadIdx.x] = as_bits(sums[0]);
                args.output[256 + threadIdx.x] = as_bits(others[0]);
                wgmma_wait<0>(others);
                args.output[384 + threadIdx.x] = as_bits(others[0]);
            }
            """);
        snippet.Run("early");
        float[] words = [.. snippet.Words(512).Select(BitConverter.UInt32BitsToSingle)];
        Assert.All(words[..128], value => Assert.True(float.IsNaN(value)));
        Assert.All(words[128..256], value => Assert.Equal(0, value));
        Assert.All(words[256..384], value => Assert.True(float.IsNaN(value)));
        Assert.All(words[384..], value => Assert.Equal(0, value));
    }

    private static void Run(HopperSnippet snippet, string kernel)
    {
        snippet.Device.Upload(snippet.Input, (ReadOnlySpan<uint>)new uint[HopperSnippet.WordCount]);
        snippet.LoadMap = snippet.Map(
            snippet.Input, TensorMapType.BFloat16, 64, 64, 64, 64, TensorMapSwizzle.Span128);
        snippet.StoreMap = snippet.Map(snippet.Output, TensorMapType.Float32, 32, 64, 32, 64);
        bool isCluster = kernel is "clusters" or "neighbours";
        snippet.Run(kernel, kernel == "registers" ? 384 : 128, isCluster ? 2 : 1, isCluster ? 2 : 1);
    }
}
