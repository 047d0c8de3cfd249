using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>The wrappers of kernels/include for sm_90a through NVIDIA's compiler: every instruction, and wgmma in every shape.</summary>
public sealed class HopperWrapperTests
{
    private const string Start = """
        #include "cluster.cuh"
        #include "sync.cuh"
        #include "tensor_copy.cuh"
        #include "wgmma.cuh"
        struct ProbeArgs {
            TensorMap load, store;
            float* output;
        };

        """;

    private const string Probe = Start + """
        constexpr u32 kThreads = 384, kBlocksPerSm = 1;
        // A producer and two consumers with a ring of two stages, in a cluster of two that share B.
        KERNEL(probe, ProbeArgs) {
            SHARED_MEMORY(smem);
            SharedAddress tiles = shared_address(smem), full = tiles + 65536, empty = full + 16;
            if (threadIdx.x == 0) {
                for (u32 stage = 0; stage < 2; stage++) mbarrier_init(full + 8 * stage, 1), mbarrier_init(empty + 8 * stage, 16);
                fence_mbarrier_init();
            }
            cluster_arrive();
            cluster_wait();
            store_global16(args.output + 4 * threadIdx.x, load_shared16_at(tiles + 16 * threadIdx.x, 1));
            RingPlace<2> place;
            if (threadIdx.x >= 256) {
                give_registers<24>();
                if (threadIdx.x < 288 && elect_one()) {
                    prefetch_tensor_map(args.load);
                    wait_for_dependencies();
                    for (i32 slice = 0; slice < 16; slice++, place.advance()) {
                        SharedAddress to = tiles + place.stage * 32768, barrier = full + 8 * place.stage;
                        mbarrier_wait_cluster(empty + 8 * place.stage, place.phase ^ 1);
                        mbarrier_expect_bytes(barrier, 16384);
                        mbarrier_arrive_expect_bytes(barrier, 16384);
                        tensor_load(to, args.load, 64 * slice, 0, barrier);
                        tensor_load(to + 8192, args.load, 64 * slice, 64, 0, barrier);
                        tensor_load_multicast(to + 16384 + cluster_rank() * 8192, args.load, 64 * slice, 0, barrier, 3);
                    }
                    launch_dependents();
                }
            } else {
                take_registers<240>();
                float sums[64] = {};
                for (u32 slice = 0; slice < 16; slice++, place.advance()) {
                    if (!mbarrier_try_wait(full + 8 * place.stage, place.phase)) mbarrier_wait(full + 8 * place.stage, place.phase);
                    SharedAddress from = tiles + place.stage * 32768;
                    wgmma_fence();
                    UNROLL for (u32 step = 0; step < 4; step++) {
                        SharedAddress a = from + threadIdx.x / 128 * 8192 + 32 * step;
                        wgmma_shared<128, bf16>(sums, matrix_descriptor<Swizzle::k128>(a, 0, 1024),
                            matrix_descriptor<Swizzle::k128>(from + 16384 + 32 * step, 0, 1024), slice > 0 || step > 0);
                    }
                    wgmma_commit();
                    wgmma_wait<0>(sums);
                    if (lane_index() < 2) mbarrier_arrive_at(empty + 8 * place.stage, lane_index());
                    if (args.output == nullptr) mbarrier_arrive(empty);
                }
                UNROLL for (u32 i = 0; i < 64; i++) store_shared4(tiles + threadIdx.x * 4 + i * 1024, as_bits(sums[i]));
                fence_proxy_async();
                barrier_sync(1, 256);
                if (threadIdx.x == 0) {
                    tensor_store(args.store, 0, 0, tiles);
                    tensor_store(args.store, 0, 0, 0, tiles);
                    tensor_store_commit();
                    tensor_store_wait_read<0>();
                    tensor_store_wait<0>();
                }
            }
            cluster_arrive();
            cluster_wait();
        }
        """;

    private static readonly string[] Instructions =
    [
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16", "wgmma.fence.sync.aligned", "wgmma.commit_group.sync.aligned",
        "wgmma.wait_group.sync.aligned 0", "mbarrier.init.shared::cta.b64", "fence.mbarrier_init.release.cluster",
        "mbarrier.arrive.shared::cta.b64", "mbarrier.arrive.release.cluster.shared::cluster.b64", "mapa.shared::cluster.u32", "ld.shared::cluster.v4.u32",
        "mbarrier.expect_tx.relaxed.cta.shared::cta.b64", "mbarrier.arrive.expect_tx.shared::cta.b64",
        "mbarrier.try_wait.parity.shared::cta.b64", "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64",
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [", "cp.async.bulk.tensor.3d.shared::cluster.global",
        "complete_tx::bytes.multicast::cluster", "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group", "cp.async.bulk.tensor.3d.global",
        "cp.async.bulk.commit_group", "cp.async.bulk.wait_group.read 0", "cp.async.bulk.wait_group 0", "fence.proxy.async.shared::cta",
        "prefetch.tensormap", "barrier.cluster.arrive.release.aligned", "barrier.cluster.wait.acquire.aligned", "%cluster_ctarank",
        "setmaxnreg.dec.sync.aligned.u32 24", "setmaxnreg.inc.sync.aligned.u32 240", "elect.sync", "griddepcontrol.wait",
        "griddepcontrol.launch_dependents",
    ];

    public static TheoryData<int> Columns => [.. Enumerable.Range(1, 32).Select(i => 8 * i)];

    [Fact]
    public void Every_instruction_compiles_without_advice()
    {
        KernelCompiler compiler = RealNvrtc.Require();
        string ptx = compiler.CompilePtx(Source(Probe), GpuArchitecture.Sm90A).Text;
        Assert.All(Instructions, instruction => Assert.Contains(instruction, ptx, StringComparison.Ordinal));
        AssertSound(compiler.Compile(Source(Probe), GpuArchitecture.Sm90A).Resources, 168);
    }

    [Theory]
    [MemberData(nameof(Columns))]
    public void Wgmma_compiles_in_every_shape(int columns)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        foreach ((string type, string name) in new[] { ("bf16", "bf16"), ("f16", "f16") })
        {
            KernelSource source = Source(Start + $$"""
                constexpr u32 kThreads = 128, kBlocksPerSm = 1, kColumns = {{columns}};
                using T = {{type}};
                KERNEL(probe, ProbeArgs) {
                    SHARED_MEMORY(smem);
                    SharedAddress tiles = shared_address(smem);
                    u64 k128 = matrix_descriptor<Swizzle::k128>(tiles, 8192, 1024), k64 = matrix_descriptor<Swizzle::k64>(tiles, 0, 512);
                    u64 k32 = matrix_descriptor<Swizzle::k32>(tiles, 4096, 256), none = matrix_descriptor<Swizzle::kNone>(tiles, 128, 1024);
                    float sums[kColumns / 2] = {};
                    u32 fragments[4];
                    UNROLL for (u32 r = 0; r < 4; r++) fragments[r] = load_shared4(tiles + threadIdx.x * 16 + 4 * r);
                    wgmma_fence();
                    wgmma_shared<kColumns, T>(sums, k128, k64, false);
                    wgmma_shared<kColumns, T, true, true>(sums, k128, k32, true);
                    wgmma_registers<kColumns, T>(sums, fragments, k128, true);
                    wgmma_registers<kColumns, T, true>(sums, fragments, none, true);
                    wgmma_commit();
                    wgmma_wait<0>(sums);
                    UNROLL for (u32 i = 0; i < kColumns / 2; i++) args.output[threadIdx.x + i * 128] = sums[i];
                }
                """);
            string ptx = compiler.CompilePtx(source, GpuArchitecture.Sm90A).Text;
            Assert.Equal(4, Count(ptx, $"wgmma.mma_async.sync.aligned.m64n{columns}k16.f32.{name}.{name} "));
            AssertSound(compiler.Compile(source, GpuArchitecture.Sm90A).Resources, 255);
        }
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;

    private static void AssertSound(KernelResources used, int budget)
    {
        Assert.True(used.Advisories.Count == 0, string.Join("\n", used.Advisories));
        Assert.InRange(used.Registers, 1, budget);
        Assert.Equal(0, used.StackBytes + used.SpillStoreBytes + used.SpillLoadBytes + used.StaticSharedBytes);
    }

    private static KernelSource Source(string text)
    {
        KernelInclude[] headers = [.. new[]
        {
            "cluster.cuh", "convert.cuh", "dependencies.cuh", "device.cuh", "mbarrier.cuh", "memory.cuh", "sync.cuh", "tensor_copy.cuh",
            "wgmma.cuh", "wgmma_shapes.cuh",
        }.Select(name => new KernelInclude(name, KernelText.Read(name)))];
        return new KernelSource("probe.cu", text, headers, [], "probe", 384);
    }
}
