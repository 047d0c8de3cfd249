// Attention of few tokens on sm_90a: context = softmax(q k^T / sqrt(head dim)) v for each head, from the fused qkv as it lies, for the first
// tokens of each picture; all keys and values of a head stay in shared memory, and a row's softmax is exact in one pass.
//
// Precision   ELEMENT is bf16 or f16; scores, maxima, sums and the context accumulate in float32; the exponentials are rounded to ELEMENT
//             for their product with v, the context once at its end. A row's sums are taken in one order, whatever else a launch computes.
// Mapping     Grid (query blocks, heads, pictures). A block has WARPGROUPS warpgroups; each takes every WARPGROUPS * gridDim.x-th tile of 64
//             query rows of its head, so that a block that has many of them fetches keys and values once. One thread of each warpgroup
//             brings its queries by tensor maps, the first one of the block keys and values too; wgmma takes all three from shared memory,
//             probabilities from registers. The context leaves by tensor maps, which leave out rows behind the last query.
// Shared      [keys | values] of KEYS rows, then for each warpgroup [queries | context] of 64 rows, all as head_panels.cuh has them.
// Roofline    4 T D FLOP for each query; reads q once, k and v once for each block, writes the context once. At 264 tokens (D = 80) 132 FLOP
//             for each byte: bound by the bus of an H200 at large batches, by latency at batch 1.
//             Reached: not yet measured on a GPU.
#include "attention_wgmma.cuh"
#include "mbarrier.cuh"
#include "sync.cuh"

using Element = ELEMENT;

constexpr u32 kHeadDim = HEAD_DIM;
constexpr u32 kKeys = KEYS;
constexpr u32 kWarpgroups = WARPGROUPS;
constexpr u32 kThreads = kWarpgroups * kWarpgroupSize;
constexpr u32 kBlocksPerSm = BLOCKS_PER_SM;

using Panels = HeadPanels<Element, kHeadDim>;

constexpr u32 kPartKeys = WarpgroupScores<kKeys>::kPartKeys;
constexpr u32 kKeysBytes = kKeys * Panels::kRowBytes, kKeysPlace = Panels::tile_bytes(kKeys);
constexpr u32 kQueryBytes = kWarpgroupRows * Panels::kRowBytes, kQueryPlace = Panels::tile_bytes(kWarpgroupRows);


KERNEL(attention_resident, WarpgroupAttentionArgs) {
    SHARED_MEMORY(smem);
    SharedAddress keys = shared_address(smem), values = keys + kKeysPlace;
    u32 warpgroup = threadIdx.x / kWarpgroupSize;
    SharedAddress queries = values + kKeysPlace + warpgroup * 2 * kQueryPlace, context_tile = queries + kQueryPlace;
    SharedAddress barriers = values + kKeysPlace + kWarpgroups * 2 * kQueryPlace;
    SharedAddress keys_here = barriers, values_here = barriers + 8, queries_here = barriers + 16 + 8 * warpgroup;
    u32 warp_row = warp_index() % 4 * 16;

    u32 head = blockIdx.y, picture = blockIdx.z;
    u32 hidden = args.heads * kHeadDim, column = head * kHeadDim;
    u32 tiles = ceil_div(args.query_tokens, kWarpgroupRows);
    u32 first_tile = blockIdx.x * kWarpgroups + warpgroup, step = gridDim.x * kWarpgroups;
    bool leads = threadIdx.x % kWarpgroupSize == 0;

    if (threadIdx.x == 0) {
        mbarrier_init(keys_here, 1);
        mbarrier_init(values_here, 1);
        UNROLL for (u32 i = 0; i < kWarpgroups; i++) mbarrier_init(barriers + 16 + 8 * i, 1);
        fence_mbarrier_init();
    }
    block_sync();
    launch_dependents();
    wait_for_dependencies();

    auto fetch_queries = [&](u32 tile) {
        mbarrier_arrive_expect_bytes(queries_here, kQueryBytes);
        load_panels<Element, kHeadDim, kWarpgroupRows, kWarpgroupRows>(queries, args.queries, column, tile * kWarpgroupRows, picture, queries_here);
    };
    if (leads && first_tile < tiles)
        fetch_queries(first_tile);
    if (threadIdx.x == 0) {
        mbarrier_arrive_expect_bytes(keys_here, kKeysBytes);
        load_panels<Element, kHeadDim, kKeys, kPartKeys>(keys, args.keys, hidden + column, 0, picture, keys_here);
        mbarrier_arrive_expect_bytes(values_here, kKeysBytes);
        load_panels<Element, kHeadDim, kKeys, kPartKeys>(values, args.keys, 2 * hidden + column, 0, picture, values_here);
    }

    u32 phase = 0;
    for (u32 tile = first_tile; tile < tiles; tile += step) {
        mbarrier_wait(queries_here, phase);
        phase ^= 1;
        mbarrier_wait(keys_here, 0);
        WarpgroupScores<kKeys> scores;
        multiply_keys<Element, kHeadDim>(scores, queries, keys);
        await(scores);
        // All four warps are done with the queries.
        barrier_sync(1 + warpgroup, kWarpgroupSize);
        if (leads && tile + step < tiles)
            fetch_queries(tile + step);

        mask_keys(scores, args.tokens);
        WarpgroupRows rows = {{minus_infinity(), minus_infinity()}, {0, 0}};
        float kept[2];
        WarpgroupWeights<kKeys> weights;
        exponentiate<Element>(weights, scores, rows, kept, args.scale);
        mbarrier_wait(values_here, 0);
        WarpgroupContext<kHeadDim> context;
        multiply_values<Element>(context, weights, values, false);
        float inverse[2] = {1.0f / lanes_sum<4>(rows.sum[0]), 1.0f / lanes_sum<4>(rows.sum[1])};
        await(context);
        scale_context(context, inverse);

        // The last tile's store has read the warp's part.
        if (lane_index() == 0)
            tensor_store_wait_read<0>();
        warp_sync();
        stage_context<Element>(context_tile, warp_row, context);
        fence_proxy_async();
        warp_sync();
        if (lane_index() == 0) {
            store_panels<Element, kHeadDim, kWarpgroupRows>(
                args.context, column, tile * kWarpgroupRows + warp_row, picture, context_tile, warp_row);
            tensor_store_commit();
        }
    }
    if (lane_index() == 0)
        tensor_store_wait_read<0>();
}
