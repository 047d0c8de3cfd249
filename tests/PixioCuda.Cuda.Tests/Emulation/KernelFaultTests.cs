using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Each kind of mistake that a kernel can make is found by the emulator, whatever the seed, and named.</summary>
[Collection(nameof(EmulatorAlone))]
[Trait(Emulator.Category, Emulator.Only)]
public sealed class KernelFaultTests
{
    private const string Text = """
        #define SHARED_WORDS(name) SHARED_MEMORY(name##_bytes); u32* const name = reinterpret_cast<u32*>(name##_bytes)

        KERNEL(reads_outside, SnippetArgs) { args.output[threadIdx.x] = args.input[threadIdx.x + 961]; }
        KERNEL(writes_outside, SnippetArgs) { args.output[threadIdx.x + 961] = 1; }
        KERNEL(reads_unwritten, SnippetArgs) { args.output[threadIdx.x] = args.output[threadIdx.x + 64]; }
        KERNEL(reads_misaligned, SnippetArgs) { args.output[threadIdx.x] = load16(args.input + threadIdx.x).x; }
        KERNEL(leaves_shared, SnippetArgs) { SHARED_WORDS(s); s[threadIdx.x + 961] = 1; }
        KERNEL(reads_unwritten_shared, SnippetArgs) { SHARED_WORDS(s); args.output[threadIdx.x] = s[threadIdx.x]; }
        KERNEL(ldmatrix_misaligned, SnippetArgs) {
            SHARED_MEMORY(s);
            args.output[threadIdx.x] = load_matrix_x4(shared_address(s) + 8).x;
        }

        KERNEL(reads_without_barrier, SnippetArgs) {
            SHARED_WORDS(s);
            s[threadIdx.x] = threadIdx.x;
            args.output[threadIdx.x] = s[63 - threadIdx.x];
        }
        KERNEL(overwrites_without_barrier, SnippetArgs) {
            SHARED_WORDS(s);
            s[threadIdx.x] = threadIdx.x;
            block_sync();
            args.output[threadIdx.x] = s[63 - threadIdx.x];
            s[threadIdx.x] = 0;
        }
        KERNEL(writes_the_same, SnippetArgs) { SHARED_WORDS(s); s[threadIdx.x % 32] = threadIdx.x; }
        KERNEL(reads_without_warp_sync, SnippetArgs) {
            SHARED_WORDS(s);
            s[threadIdx.x] = threadIdx.x;
            args.output[threadIdx.x] = s[threadIdx.x ^ 1];
        }
        KERNEL(reads_beyond_warp_sync, SnippetArgs) {
            SHARED_WORDS(s);
            s[threadIdx.x] = threadIdx.x;
            warp_sync();
            args.output[threadIdx.x] = s[threadIdx.x ^ 32];
        }

        KERNEL(reads_without_wait, SnippetArgs) {
            SHARED_WORDS(s);
            cp_async4(shared_address(s + threadIdx.x), args.input + threadIdx.x);
            cp_async_commit();
            block_sync();
            args.output[threadIdx.x] = s[threadIdx.x];
            cp_async_wait<0>();
        }
        KERNEL(waits_for_too_few, SnippetArgs) {
            SHARED_WORDS(s);
            for (u32 stage = 0; stage < 2; stage++) {
                cp_async4(shared_address(s + 64 * stage + threadIdx.x), args.input + threadIdx.x);
                cp_async_commit();
            }
            cp_async_wait<1>();
            args.output[threadIdx.x] = s[threadIdx.x] + s[64 + threadIdx.x];
            cp_async_wait<0>();
        }
        KERNEL(waits_before_commit, SnippetArgs) {
            SHARED_WORDS(s);
            cp_async4(shared_address(s + threadIdx.x), args.input + threadIdx.x);
            cp_async_wait<0>();
            args.output[threadIdx.x] = s[threadIdx.x];
            cp_async_commit();
            cp_async_wait<0>();
        }
        KERNEL(waits_without_barrier, SnippetArgs) {
            SHARED_WORDS(s);
            cp_async4(shared_address(s + threadIdx.x), args.input + threadIdx.x);
            cp_async_commit();
            cp_async_wait<0>();
            args.output[threadIdx.x] = s[63 - threadIdx.x];
        }
        KERNEL(reuses_a_stage, SnippetArgs) {
            SHARED_WORDS(s);
            for (u32 round = 0; round < 2; round++) {
                cp_async4(shared_address(s + threadIdx.x), args.input + threadIdx.x);
                cp_async_commit();
                cp_async_wait<0>();
                block_sync();
                args.output[threadIdx.x] = s[63 - threadIdx.x];
            }
        }
        KERNEL(ends_with_copies, SnippetArgs) {
            SHARED_WORDS(s);
            cp_async4(shared_address(s + threadIdx.x), args.input + threadIdx.x);
            cp_async_commit();
        }

        KERNEL(misses_a_barrier, SnippetArgs) {
            if (warp_index() == 0)
                block_sync();
        }
        KERNEL(diverges_in_a_shuffle, SnippetArgs) {
            if (lane_index() < 16)
                args.output[threadIdx.x] = shuffle_xor(threadIdx.x, 1);
            else
                warp_sync();
        }
        KERNEL(is_not_in_its_mask, SnippetArgs) { args.output[threadIdx.x] = emulator_ballot(0x0000FFFFu, true); }
        KERNEL(reads_a_lane_outside, SnippetArgs) {
            if (lane_index() < 16)
                args.output[threadIdx.x] = emulator_shfl(0x0000FFFFu, threadIdx.x, 20);
        }

        KERNEL(blocks_write_the_same, SnippetArgs) {
            if (threadIdx.x == 0)
                args.output[0] = blockIdx.x;
        }
        KERNEL(blocks_read_what_others_write, SnippetArgs) {
            if (threadIdx.x == 0) {
                args.output[blockIdx.x] = 1;
                args.output[blockIdx.x + 2] = args.output[1 - blockIdx.x];
            }
        }
        KERNEL(threads_write_the_same, SnippetArgs) { args.output[threadIdx.x % 32] = threadIdx.x; }
        KERNEL(calls_a_null_pointer, SnippetArgs) { args.output[threadIdx.x] = *reinterpret_cast<const u32*>(8ull); }
        """;

    [Theory]
    [InlineData("reads_outside", nameof(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS), "thread (63, 0, 0) reads 4 bytes of global memory",
        "in no allocation",
        "0 bytes behind the allocation of 4096 bytes")]
    [InlineData("writes_outside", nameof(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS), "thread (63, 0, 0) writes 4 bytes of global memory",
        "in no allocation")]
    [InlineData("reads_misaligned", nameof(CUresult.CUDA_ERROR_MISALIGNED_ADDRESS), "executes a read", "not aligned to its 16 bytes")]
    [InlineData("leaves_shared", nameof(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS),
        "thread (63, 0, 0) writes 4 bytes of shared memory at 4096, but the block has 4096")]
    [InlineData("calls_a_null_pointer", nameof(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS),
        "reads 4 bytes at 0x8, which is neither shared nor device memory")]
    [InlineData("ldmatrix_misaligned", nameof(CUresult.CUDA_ERROR_MISALIGNED_ADDRESS), "executes ldmatrix", "not aligned to 16 bytes")]
    public void An_address_that_is_none(string entry, string result, params string[] parts)
        => Snippet.AssertCaught(Text, entry, Enum.Parse<CUresult>(result), parts);

    [Theory]
    [InlineData("reads_unwritten", "reads 4 bytes of global memory", "was never written")]
    [InlineData("reads_unwritten_shared", "reads 4 bytes of shared memory", "was never written")]
    public void Memory_that_was_never_written(string entry, params string[] parts)
        => Snippet.AssertCaught(Text, entry, CUresult.CUDA_ERROR_LAUNCH_FAILED, parts);

    [Theory]
    // Who comes first decides whether the race shows as a read of what was not written yet, or as a write that was not waited for.
    [InlineData("reads_without_barrier", "shared memory at")]
    [InlineData("reads_without_warp_sync", "shared memory at")]
    [InlineData("reads_beyond_warp_sync", "shared memory at")]
    [InlineData("overwrites_without_barrier", "shared memory at", "with no barrier in between")]
    [InlineData("writes_the_same", "writes shared memory at", "wrote, with no barrier in between")]
    [InlineData("threads_write_the_same", "writes global memory at", "with nothing to order them")]
    public void A_missing_barrier(string entry, params string[] parts)
        => Snippet.AssertCaught(Text, entry, CUresult.CUDA_ERROR_LAUNCH_FAILED, parts);

    [Theory]
    [InlineData("reads_without_wait", "while an asynchronous copy into it is under way")]
    [InlineData("waits_for_too_few", "while an asynchronous copy into it is under way")]
    [InlineData("waits_before_commit", "while an asynchronous copy into it is under way")]
    [InlineData("waits_without_barrier", "shared memory at")]
    // The copy comes too early for who reads, or who reads comes too late: under way, or landed.
    [InlineData("reuses_a_stage", "shared memory at")]
    [InlineData("ends_with_copies", "ends with asynchronous copies that nobody waited for")]
    public void A_missing_wait(string entry, params string[] parts)
        => Snippet.AssertCaught(Text, entry, CUresult.CUDA_ERROR_LAUNCH_FAILED, parts);

    [Theory]
    [InlineData("diverges_in_a_shuffle", "with mask ffffffff while lanes")]
    [InlineData("is_not_in_its_mask", "executes __ballot_sync with mask 0000ffff, in which its lane")]
    [InlineData("reads_a_lane_outside", "reads lane 20 outside of mask 0000ffff")]
    public void A_collective_that_lanes_do_not_share(string entry, params string[] parts)
        => Snippet.AssertCaught(Text, entry, CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION, parts);

    [Theory]
    [InlineData("blocks_write_the_same", "writes global memory at", "in the same launch")]
    [InlineData("blocks_read_what_others_write", "global memory at")]
    public void A_race_between_blocks(string entry, params string[] parts)
        => Snippet.AssertCaught(Text, snippet => snippet.Run(entry, blocks: 2), entry, CUresult.CUDA_ERROR_LAUNCH_FAILED, parts);

    [Fact]
    public void A_barrier_to_which_not_all_come()
    {
        Emulator.RequireEmulation();
        for (ulong seed = 1; seed <= 12; seed++)
        {
            Emulator.SetSeed(seed);
            using Snippet snippet = new(Text);
            CudaException exception = Assert.Throws<CudaException>(() => snippet.Run("misses_a_barrier"));
            Assert.Equal(CUresult.CUDA_ERROR_LAUNCH_TIMEOUT, exception.Result);
            Assert.Contains("kernel misses_a_barrier hangs: block 0 from thread 0 on waits for bar.sync on barrier 0, to which 32 of 64 threads have come; "
                + "block 0 from thread 32 on has ended", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_pointer_of_another_device()
    {
        Emulator.RequireEmulation();
        using Snippet snippet = new(Text);
        using GpuDevice other = GpuDevice.Open(1);
        using DeviceMemory<uint> foreign = other.Allocate<uint>(64);
        CudaException exception = Assert.Throws<CudaException>(() => snippet.Run("writes_outside", output: foreign.Pointer));
        Assert.Equal(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, exception.Result);
        Assert.Contains("which is memory of another device", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_launch_that_uses_freed_memory()
    {
        Emulator.RequireEmulation();
        using Snippet snippet = new(Text);
        DeviceMemory<uint> memory = snippet.Device.Allocate<uint>(64);
        DevicePointer<uint> stale = memory.Pointer;
        memory.Dispose();
        CudaException exception = Assert.Throws<CudaException>(() => snippet.Run("threads_write_the_same", threads: 32, output: stale));
        Assert.Equal(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, exception.Result);
        Assert.Contains("into the freed allocation of 256 bytes", exception.Message, StringComparison.Ordinal);
    }
}
