using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Programs that keep to the rules run through, whatever the seed; what the seed decides is the order, and nothing else.</summary>
[Trait(Emulator.Category, Emulator.Only)]
public sealed class CorrectKernelTests
{
    private const string Text = """
        #define SHARED_WORDS(name) SHARED_MEMORY(name##_bytes); u32* const name = reinterpret_cast<u32*>(name##_bytes)

        // The sum of 256 words, by halves.
        KERNEL(tree_sum, SnippetArgs) {
            SHARED_WORDS(s);
            s[threadIdx.x] = args.input[blockIdx.x * blockDim.x + threadIdx.x];
            for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
                block_sync();
                if (threadIdx.x < half)
                    s[threadIdx.x] += s[threadIdx.x + half];
            }
            if (threadIdx.x == 0)
                args.output[blockIdx.x] = s[0];
        }

        // Words in reverse within rounds of 64, through three stages of asynchronous copies.
        KERNEL(ring, SnippetArgs) {
            SHARED_WORDS(s);
            constexpr u32 kStages = 3;
            auto load = [&](u32 round) {
                if (round < args.count)
                    cp_async4(shared_address(s + round % kStages * 64 + threadIdx.x), args.input + round * 64 + threadIdx.x);
                cp_async_commit();
            };
            for (u32 round = 0; round < kStages - 1; round++) load(round);
            for (u32 round = 0; round < args.count; round++) {
                cp_async_wait<kStages - 2>();
                block_sync();
                load(round + kStages - 1);
                args.output[round * 64 + threadIdx.x] = s[round % kStages * 64 + 63 - threadIdx.x];
            }
            cp_async_wait<0>();
        }

        // Neighbours within warps: warp_sync orders what lanes write and read.
        KERNEL(neighbours, SnippetArgs) {
            SHARED_WORDS(s);
            for (u32 round = 0; round < 4; round++) {
                s[threadIdx.x] = threadIdx.x + round;
                warp_sync();
                u32 other = s[threadIdx.x ^ 5];
                warp_sync();
                args.output[threadIdx.x] = other;
            }
        }

        // Half of the warps fill what the other half reads: two named barriers, as producers and consumers meet.
        KERNEL(hand_over, SnippetArgs) {
            SHARED_WORDS(s);
            for (u32 round = 0; round < 3; round++) {
                if (threadIdx.x < 32)
                    s[threadIdx.x] = threadIdx.x * round;
                barrier_sync(1, 64);
                if (threadIdx.x >= 32)
                    args.output[threadIdx.x - 32] = s[threadIdx.x - 32];
                barrier_sync(2, 64);
            }
        }

        // Who comes first: the order in which threads get their tickets.
        KERNEL(tickets, SnippetArgs) {
            u32 ticket = emulator_atomic_add(args.output, 1);
            args.output[1 + ticket] = blockIdx.x * blockDim.x + threadIdx.x;
        }
        """;

    [Fact]
    public void Correct_programs_give_the_same_with_fifty_seeds()
    {
        using Snippet snippet = new(Text);
        for (ulong seed = 1; seed <= 50; seed++)
        {
            Emulator.SetSeed(seed);
            snippet.Run("tree_sum", threads: 256, blocks: 4);
            Assert.Equal([.. Enumerable.Range(0, 4).Select(block => (uint)((256 * 255 / 2) + (256 * 256 * block)))], snippet.Words(4));
            snippet.Run("ring", count: 7);
            Assert.Equal([.. Enumerable.Range(0, 448).Select(i => (uint)((i / 64 * 64) + 63 - (i % 64)))], snippet.Words(448));
            snippet.Run("neighbours");
            Assert.Equal([.. Enumerable.Range(0, 64).Select(i => (uint)((i ^ 5) + 3))], snippet.Words(64));
            snippet.Run("hand_over");
            Assert.Equal([.. Enumerable.Range(0, 32).Select(i => (uint)(i * 2))], snippet.Words(32));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_interleaving_and_others_give_others()
    {
        Emulator.RequireEmulation();
        HashSet<string> orders = [];
        for (ulong seed = 1; seed <= 16; seed++)
        {
            string first = Order(seed), again = Order(seed);
            Assert.Equal(first, again);
            orders.Add(first);
        }

        // 192 threads in a few blocks: that two seeds agree would be a wonder.
        Assert.Equal(16, orders.Count);
    }

    private static string Order(ulong seed)
    {
        using Snippet snippet = new(Text);
        snippet.Device.MemsetAsync(snippet.Stream, snippet.Output, 0);
        snippet.Stream.Synchronize();
        Emulator.SetSeed(seed);
        snippet.Run("tickets", threads: 64, blocks: 3);
        return string.Join(" ", snippet.Words(193));
    }
}
