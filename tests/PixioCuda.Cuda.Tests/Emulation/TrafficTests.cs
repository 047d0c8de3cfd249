using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The emulator's counts of sectors and of passes through shared memory, against cases that were worked out by hand.</summary>
[Trait(Emulator.Category, Emulator.Only)]
public sealed class TrafficTests
{
    private const string Text = """
        KERNEL(reads_global, SnippetArgs) {
            u32 word = args.input[(args.count >> 16) + threadIdx.x * (args.count & 0xFFFF)];
            if (word == 0xFFFFFFFFu)
                args.output[0] = word;
        }
        KERNEL(reads_global16, SnippetArgs) {
            u32 word = load16(args.input + threadIdx.x * args.count).y;
            if (word == 0xFFFFFFFFu)
                args.output[0] = word;
        }
        KERNEL(writes_global, SnippetArgs) { args.output[threadIdx.x * args.count] = 1; }
        KERNEL(half_a_warp_reads, SnippetArgs) {
            u32 word = 0;
            if (threadIdx.x % 2 == 0)
                word = args.input[threadIdx.x];
            if (word == 0xFFFFFFFFu)
                args.output[0] = word;
        }

        // 1024 words of shared memory without a conflict, then one read each.
        KERNEL(reads_shared, SnippetArgs) {
            SHARED_MEMORY(bytes);
            u32* s = reinterpret_cast<u32*>(bytes);
            for (u32 i = threadIdx.x; i < 1024; i += 32) s[i] = i;
            warp_sync();
            u32 word = s[threadIdx.x * args.count % 1024];
            if (word == 0xFFFFFFFFu)
                args.output[0] = word;
        }
        KERNEL(reads_shared16, SnippetArgs) {
            SHARED_MEMORY(bytes);
            u32* s = reinterpret_cast<u32*>(bytes);
            for (u32 i = threadIdx.x; i < 1024; i += 32) s[i] = i;
            warp_sync();
            u32 word = load_shared16(shared_address(bytes) + threadIdx.x * args.count * 16 % 4096).x;
            if (word == 0xFFFFFFFFu)
                args.output[0] = word;
        }
        KERNEL(reads_matrices, SnippetArgs) {
            SHARED_MEMORY(bytes);
            u32* s = reinterpret_cast<u32*>(bytes);
            for (u32 i = threadIdx.x; i < 1024; i += 32) s[i] = i;
            warp_sync();
            u32 word = load_matrix_x4(shared_address(bytes) + threadIdx.x * args.count % 4096).x;
            if (word == 0xFFFFFFFFu)
                args.output[0] = word;
        }
        """;

    [Theory]
    // 32 words in a row are 4 sectors; shifted by one word, 5; a sector for each lane, 32; all lanes at one word, 1.
    [InlineData("reads_global", 1u, 4 * 32)]
    [InlineData("reads_global", (1u << 16) | 1, 5 * 32)]
    [InlineData("reads_global", 2u, 8 * 32)]
    [InlineData("reads_global", 8u, 32 * 32)]
    [InlineData("reads_global", 31u, 32 * 32)]
    [InlineData("reads_global", 0u, 32)]
    // 16 bytes for each lane: 512 in a row; 32 bytes apart, half of each sector is wasted.
    [InlineData("reads_global16", 4u, 512)]
    [InlineData("reads_global16", 8u, 1024)]
    [InlineData("half_a_warp_reads", 0u, 4 * 32)]
    public void Global_reads_count_whole_sectors(string entry, uint count, int bytes)
        => Assert.Equal((ulong)bytes, Run(entry, count).GlobalReadBytes);

    [Theory]
    [InlineData(1u, 4 * 32)]
    [InlineData(16u, 32 * 32)]
    public void Global_writes_count_whole_sectors(uint count, int bytes)
        => Assert.Equal((ulong)bytes, Run("writes_global", count).GlobalWriteBytes);

    [Theory]
    // Word l * stride lies in bank l * stride % 32: gcd(stride, 32) lanes meet in each bank that is used.
    [InlineData("reads_shared", 1u, 0)]
    [InlineData("reads_shared", 2u, 1)]
    [InlineData("reads_shared", 4u, 3)]
    [InlineData("reads_shared", 7u, 0)]
    [InlineData("reads_shared", 32u, 31)]
    // All lanes at one word: it is broadcast.
    [InlineData("reads_shared", 0u, 0)]
    // 16 bytes go in four passes of 8 lanes: in a row they fill the banks; 32 bytes apart two lanes meet, and 64 bytes apart four.
    [InlineData("reads_shared16", 1u, 0)]
    [InlineData("reads_shared16", 2u, 4)]
    [InlineData("reads_shared16", 4u, 12)]
    // Each of ldmatrix' four tiles has 8 rows: in a row none meet, at a pitch of 128 bytes all 8 do, at 144 bytes none.
    [InlineData("reads_matrices", 16u, 0)]
    [InlineData("reads_matrices", 128u, 28)]
    [InlineData("reads_matrices", 144u, 0)]
    [InlineData("reads_matrices", 32u, 4)]
    public void Bank_conflicts_are_the_passes_beyond_the_fewest(string entry, uint count, int conflicts)
    {
        Emulator.Traffic traffic = Run(entry, count);
        Assert.Equal((ulong)conflicts, traffic.BankConflicts);
        // 32 passes to fill the memory, and those of the read.
        Assert.Equal((ulong)(32 + (entry == "reads_shared" ? 1 : 4) + conflicts), traffic.SharedAccesses);
    }

    private static Emulator.Traffic Run(string entry, uint count)
    {
        Emulator.RequireEmulation();
        using Snippet snippet = new(Text);
        Emulator.Traffic? first = null;
        for (ulong seed = 1; seed <= 4; seed++)
        {
            Emulator.SetSeed(seed);
            _ = Emulator.TakeTraffic();
            snippet.Run(entry, threads: 32, count: count);
            Emulator.Traffic traffic = Emulator.TakeTraffic();
            first ??= traffic;
            Assert.Equal(first, traffic);
        }

        return first!.Value;
    }
}
