using System.Text.RegularExpressions;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The accesses and barriers of kernels/include: what goes in has to come out, in its place and nowhere else. On the emulator that
/// checks their CPU meaning, on hardware the GPU's instructions.</summary>
public sealed partial class MemoryInstructionTests
{
    private const string Text = """
        DEVICE u32 word(const SnippetArgs& args, u32 index) { return args.input[index]; }
        KERNEL(global16, SnippetArgs) {
            store16(args.output + 8 * threadIdx.x, load16(args.input + 4 * threadIdx.x));
            store_global16(args.output + 8 * threadIdx.x + 4, load16(args.input + 4 * (63 - threadIdx.x)));
        }
        KERNEL(global8, SnippetArgs) { store8(args.output + 2 * threadIdx.x, load8(args.input + 2 * (63 - threadIdx.x))); }

        // Each thread writes a piece of shared memory and reads another one's.
        KERNEL(shared16, SnippetArgs) {
            SHARED_MEMORY(smem);
            store_shared16(shared_address(smem) + 16 * threadIdx.x, load16(args.input + 4 * threadIdx.x));
            block_sync();
            store16(args.output + 4 * threadIdx.x, load_shared16(shared_address(smem) + 16 * (63 - threadIdx.x)));
        }
        KERNEL(shared8, SnippetArgs) {
            SHARED_MEMORY(smem);
            store_shared8(shared_address(smem) + 8 * threadIdx.x, load8(args.input + 2 * threadIdx.x));
            block_sync();
            store8(args.output + 2 * threadIdx.x, load_shared8(shared_address(smem) + 8 * (63 - threadIdx.x)));
        }
        KERNEL(shared4, SnippetArgs) {
            SHARED_MEMORY(smem);
            store_shared4(shared_address(smem) + 4 * threadIdx.x, word(args, threadIdx.x));
            block_sync();
            args.output[threadIdx.x] = load_shared4(shared_address(smem) + 4 * (63 - threadIdx.x));
        }
        KERNEL(shared2, SnippetArgs) {
            SHARED_MEMORY(smem);
            store_shared2(shared_address(smem) + 2 * threadIdx.x, static_cast<u16>(word(args, threadIdx.x) * 257));
            block_sync();
            if (threadIdx.x < 32)
                args.output[threadIdx.x] = load_shared4(shared_address(smem) + 4 * threadIdx.x);
        }

        // Copies of 8 bytes with less to read than to write, in two groups, waited for one after the other.
        KERNEL(copies8, SnippetArgs) {
            SHARED_MEMORY(smem);
            cp_async8(shared_address(smem) + 8 * threadIdx.x, args.input + 2 * threadIdx.x, threadIdx.x % 9);
            cp_async_commit();
            cp_async8(shared_address(smem) + 512 + 8 * threadIdx.x, args.input + 2 * (63 - threadIdx.x));
            cp_async_commit();
            cp_async_wait<1>();
            store8(args.output + 2 * threadIdx.x, load_shared8(shared_address(smem) + 8 * threadIdx.x));
            cp_async_wait<0>();
            block_sync();
            store8(args.output + 128 + 2 * threadIdx.x, load_shared8(shared_address(smem) + 512 + 8 * (63 - threadIdx.x)));
        }

        // Two pairs of warps, each with a barrier of its own, in opposite order of their numbers.
        KERNEL(named_barriers, SnippetArgs) {
            SHARED_MEMORY(smem);
            u32 pair = threadIdx.x / 64;
            for (u32 round = 0; round < 4; round++) {
                store_shared4(shared_address(smem) + 4 * threadIdx.x, word(args, threadIdx.x) + round);
                barrier_sync(2 - pair, 64);
                u32 other = load_shared4(shared_address(smem) + 4 * (threadIdx.x ^ 33));
                barrier_sync(2 - pair, 64);
                args.output[128 * round + threadIdx.x] = other;
            }
        }
        // One warp leaves what it made behind and goes on; another one waits for it.
        KERNEL(arrival, SnippetArgs) {
            SHARED_MEMORY(smem);
            if (threadIdx.x < 32) {
                store_shared4(shared_address(smem) + 4 * threadIdx.x, word(args, threadIdx.x) + 7);
                barrier_arrive(3, 64);
            } else {
                barrier_sync(3, 64);
                args.output[threadIdx.x - 32] = load_shared4(shared_address(smem) + 4 * (63 - threadIdx.x));
            }
        }
        // What lanes of a warp tell each other through shared memory.
        KERNEL(warp_barrier, SnippetArgs) {
            SHARED_MEMORY(smem);
            for (u32 round = 0; round < 4; round++) {
                store_shared4(shared_address(smem) + 4 * threadIdx.x, word(args, threadIdx.x) + round);
                warp_sync();
                u32 other = load_shared4(shared_address(smem) + 4 * (threadIdx.x ^ 21));
                warp_sync();
                args.output[128 * round + threadIdx.x] = other;
            }
        }
        """;

    [Fact]
    public void Global_memory_in_pieces_of_16_and_8_bytes()
    {
        uint[] words = Run("global16", 64, 512);
        for (int i = 0; i < 512; i++)
        {
            int thread = i / 8, piece = i % 8 < 4 ? thread : 63 - thread;
            Assert.Equal((uint)((4 * piece) + (i % 4)), words[i]);
        }

        words = Run("global8", 64, 128);
        Assert.Equal([.. Enumerable.Range(0, 128).Select(i => (uint)((2 * (63 - (i / 2))) + (i % 2)))], words);
    }

    [Theory]
    [InlineData("shared16", 4)]
    [InlineData("shared8", 2)]
    [InlineData("shared4", 1)]
    public void Shared_memory_in_pieces_of_whole_words(string entry, int wordsOfPiece)
    {
        uint[] words = Run(entry, 64, 64 * wordsOfPiece);
        Assert.Equal(
            [.. Enumerable.Range(0, 64 * wordsOfPiece).Select(i => (uint)((wordsOfPiece * (63 - (i / wordsOfPiece))) + (i % wordsOfPiece)))],
            words);
    }

    [Fact]
    public void Shared_memory_in_pieces_of_2_bytes()
        => Assert.Equal(
            [.. Enumerable.Range(0, 32).Select(i => (uint)(((2 * i * 257) & 0xFFFF) | (((((2 * i) + 1) * 257) & 0xFFFF) << 16)))],
            Run("shared2", 64, 32));

    [Fact]
    public void Asynchronous_copies_of_8_bytes_fill_up_with_zeros_and_come_in_groups()
    {
        uint[] words = Run("copies8", 64, 256);
        for (int thread = 0; thread < 64; thread++)
        {
            byte[] whole = [.. BitConverter.GetBytes(2 * thread), .. BitConverter.GetBytes((2 * thread) + 1)];
            byte[] copied = [.. BitConverter.GetBytes(words[2 * thread]), .. BitConverter.GetBytes(words[(2 * thread) + 1])];
            int valid = thread % 9;
            Assert.Equal([.. whole[..valid], .. new byte[8 - valid]], copied);
        }

        Assert.Equal([.. Enumerable.Range(0, 128).Select(i => (uint)i)], words[128..]);
    }

    [Theory]
    [InlineData("named_barriers", 33)]
    [InlineData("warp_barrier", 21)]
    public void Barriers_show_what_others_wrote(string entry, int mask)
    {
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            uint[] words = Run(entry, 128, 512);
            Assert.Equal([.. Enumerable.Range(0, 512).Select(i => (uint)(((i % 128) ^ mask) + (i / 128)))], words);
        }
    }

    [Fact]
    public void Who_arrives_shows_what_it_wrote_to_who_waits()
    {
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            Assert.Equal([.. Enumerable.Range(0, 32).Select(i => (uint)(31 - i + 7))], Run("arrival", 64, 32));
        }
    }

    /// <summary>A wrapper that no test runs would never be held against the GPU.</summary>
    [Fact]
    [Trait(Emulator.Category, Emulator.Only)]
    public void Every_wrapper_of_an_instruction_is_run_by_a_test()
    {
        string tests = string.Concat(Directory.EnumerateFiles(
            Path.Combine(Repository.Root, "tests", "PixioCuda.Cuda.Tests"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText));
        HashSet<string> wrappers = new(StringComparer.Ordinal);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Repository.Root, "kernels", "include"), "*.cuh"))
        {
            // From one function's head to the next one's.
            foreach (string function in HeadOfFunction().Split(File.ReadAllText(file)).Skip(1))
            {
                string name = NameOfFunction().Match(function).Groups[1].Value;
                // What only the emulator sees is not one.
                if (!name.StartsWith("emulated_", StringComparison.Ordinal)
                    && (function.Contains("PTX(", StringComparison.Ordinal) || function.Contains("asm", StringComparison.Ordinal)))
                    wrappers.Add(name);
            }
        }

        Assert.InRange(wrappers.Count, 30, 300);
        Assert.All(wrappers, wrapper => Assert.Matches($@"\b{wrapper}(<[^>]*>)?\(", tests));
    }

    [GeneratedRegex(@"^DEVICE(?:_MEMBER)? ", RegexOptions.Multiline)]
    private static partial Regex HeadOfFunction();

    [GeneratedRegex(@"^[^(]*?(\w+)\(")]
    private static partial Regex NameOfFunction();

    private static uint[] Run(string entry, int threads, int wordCount)
    {
        using Snippet snippet = new(Text);
        snippet.Run(entry, threads);
        return snippet.Words(wordCount);
    }
}
