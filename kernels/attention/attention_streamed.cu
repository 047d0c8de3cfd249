// Attention of many tokens on sm_90a: context = softmax(q k^T / sqrt(head dim)) v for each head, from the fused qkv as it lies, for the first
// tokens of each picture; keys and values pass by in blocks with an online softmax.
//
// Precision   As attention_resident.cu; KEY_BLOCK alone decides the order of a row's sums.
// Mapping     Grid (query blocks, heads, pictures). A block has WARPGROUPS warpgroups of 64 query rows each, and one warp more, one thread of
//             which brings queries, keys and values by tensor maps, up to STAGES blocks ahead. wgmma takes all three from shared memory,
//             weights from registers. The warpgroups wait for nobody but the stages they read, so that one's softmax runs beside another's
//             products. The context leaves by tensor maps, which leave out rows behind the last query.
// Shared      For each warpgroup its queries, whose place the context takes in the end; then STAGES stages of [keys | values] of KEY_BLOCK
//             rows; all as head_panels.cuh has them.
// Roofline    4 T D FLOP for each query; reads q once, k and v once for each query block (from the second-level cache but for the first),
//             writes the context once. Bound by the tensor cores, and by 16 exponentials a cycle and multiprocessor: 4 D FLOP of 8192 a cycle
//             take 0.04 D cycles a score, its exponential 0.0625: softmax and products have to overlap.
//             Reached: not yet measured on a GPU.
#include "attention_wgmma.cuh"
#include "mbarrier.cuh"
#include "sync.cuh"

using Element = ELEMENT;

constexpr u32 kHeadDim = HEAD_DIM;
constexpr u32 kKeyBlock = KEY_BLOCK;
constexpr u32 kWarpgroups = WARPGROUPS;
constexpr u32 kStages = STAGES;
constexpr u32 kThreads = (kWarpgroups + 1) * kWarpgroupSize;
constexpr u32 kBlocksPerSm = 1;

using Panels = HeadPanels<Element, kHeadDim>;

constexpr u32 kQueryBytes = kWarpgroupRows * Panels::kRowBytes, kQueryPlace = Panels::tile_bytes(kWarpgroupRows);
constexpr u32 kKeysBytes = kKeyBlock * Panels::kRowBytes, kKeysPlace = Panels::tile_bytes(kKeyBlock);

static_assert(kKeyBlock <= 256, "a box has 256 rows at most");

/// Where the block's shared memory has what.
struct Places {
    SharedAddress queries, stages, barriers;

    DEVICE_MEMBER SharedAddress queries_of(u32 warpgroup) const { return queries + warpgroup * kQueryPlace; }
    DEVICE_MEMBER SharedAddress keys(u32 stage) const { return stages + stage * 2 * kKeysPlace; }
    DEVICE_MEMBER SharedAddress values(u32 stage) const { return keys(stage) + kKeysPlace; }
    DEVICE_MEMBER SharedAddress queries_here() const { return barriers; }
    DEVICE_MEMBER SharedAddress keys_here(u32 stage) const { return barriers + 8 + 24 * stage; }
    DEVICE_MEMBER SharedAddress values_here(u32 stage) const { return barriers + 16 + 24 * stage; }
    DEVICE_MEMBER SharedAddress stage_free(u32 stage) const { return barriers + 24 + 24 * stage; }
};

using Ring = RingPlace<kStages>;

/// Brings everything; one thread.
DEVICE void produce(const WarpgroupAttentionArgs& args, const Places& places, u32 key_blocks) {
    u32 head = blockIdx.y, picture = blockIdx.z, column = head * kHeadDim, hidden = args.heads * kHeadDim;
    mbarrier_arrive_expect_bytes(places.queries_here(), kWarpgroups * kQueryBytes);
    UNROLL for (u32 warpgroup = 0; warpgroup < kWarpgroups; warpgroup++) {
        u32 row = (blockIdx.x * kWarpgroups + warpgroup) * kWarpgroupRows;
        load_panels<Element, kHeadDim, kWarpgroupRows, kWarpgroupRows>(
            places.queries_of(warpgroup), args.queries, column, row, picture, places.queries_here());
    }
    Ring ring;
    for (u32 block = 0; block < key_blocks; block++) {
        // The first round finds every stage free: the phase before the first one counts as over.
        mbarrier_wait(places.stage_free(ring.stage), ring.phase ^ 1);
        u32 row = block * kKeyBlock;
        mbarrier_arrive_expect_bytes(places.keys_here(ring.stage), kKeysBytes);
        load_panels<Element, kHeadDim, kKeyBlock, kKeyBlock>(
            places.keys(ring.stage), args.keys, hidden + column, row, picture, places.keys_here(ring.stage));
        mbarrier_arrive_expect_bytes(places.values_here(ring.stage), kKeysBytes);
        load_panels<Element, kHeadDim, kKeyBlock, kKeyBlock>(
            places.values(ring.stage), args.keys, 2 * hidden + column, row, picture, places.values_here(ring.stage));
        ring.advance();
    }
}

/// One block of keys and values for the warpgroup's queries.
template <bool kFirst, bool kTail>
DEVICE void attend(WarpgroupContext<kHeadDim>& context, WarpgroupRows& rows, const Places& places, SharedAddress queries, const Ring& ring,
    u32 valid_keys, float scale) {
    WarpgroupScores<kKeyBlock> scores;
    mbarrier_wait(places.keys_here(ring.stage), ring.phase);
    multiply_keys<Element, kHeadDim>(scores, queries, places.keys(ring.stage));
    await(scores);
    if constexpr (kTail)
        mask_keys(scores, valid_keys);
    float kept[2];
    WarpgroupWeights<kKeyBlock> weights;
    exponentiate<Element>(weights, scores, rows, kept, scale);
    if constexpr (!kFirst)
        scale_context(context, kept);
    mbarrier_wait(places.values_here(ring.stage), ring.phase);
    multiply_values<Element>(context, weights, places.values(ring.stage), !kFirst);
    await(context);
    // The warp is done with the stage.
    if (lane_index() == 0)
        mbarrier_arrive(places.stage_free(ring.stage));
}

/// Computes 64 query rows and stores their context; one warpgroup.
DEVICE void consume(const WarpgroupAttentionArgs& args, const Places& places, u32 key_blocks, u32 warpgroup) {
    SharedAddress queries = places.queries_of(warpgroup);
    mbarrier_wait(places.queries_here(), 0);
    WarpgroupContext<kHeadDim> context;
    WarpgroupRows rows = {{minus_infinity(), minus_infinity()}, {0, 0}};
    Ring ring;
    attend<true, false>(context, rows, places, queries, ring, kKeyBlock, args.scale);
    ring.advance();
    for (u32 block = 1; block + 1 < key_blocks; block++) {
        attend<false, false>(context, rows, places, queries, ring, kKeyBlock, args.scale);
        ring.advance();
    }
    attend<false, true>(context, rows, places, queries, ring, args.tokens - (key_blocks - 1) * kKeyBlock, args.scale);
    float inverse[2] = {1.0f / lanes_sum<4>(rows.sum[0]), 1.0f / lanes_sum<4>(rows.sum[1])};
    scale_context(context, inverse);

    // The four warps are done with their queries: the context takes their place.
    barrier_sync(1 + warpgroup, kWarpgroupSize);
    u32 warp_row = warp_index() % 4 * 16, row = (blockIdx.x * kWarpgroups + warpgroup) * kWarpgroupRows + warp_row;
    stage_context<Element>(queries, warp_row, context);
    fence_proxy_async();
    warp_sync();
    if (lane_index() == 0) {
        store_panels<Element, kHeadDim, kWarpgroupRows>(args.context, blockIdx.y * kHeadDim, row, blockIdx.z, queries, warp_row);
        tensor_store_commit();
        tensor_store_wait_read<0>();
    }
}

KERNEL(attention_streamed, WarpgroupAttentionArgs) {
    SHARED_MEMORY(smem);
    SharedAddress base = shared_address(smem);
    constexpr u32 kQueriesPlace = kWarpgroups * kQueryPlace;
    Places places = {base, base + kQueriesPlace, base + kQueriesPlace + kStages * 2 * kKeysPlace};
    if (threadIdx.x == 0) {
        mbarrier_init(places.queries_here(), 1);
        UNROLL for (u32 stage = 0; stage < kStages; stage++) {
            mbarrier_init(places.keys_here(stage), 1);
            mbarrier_init(places.values_here(stage), 1);
            mbarrier_init(places.stage_free(stage), 4 * kWarpgroups);
        }
        fence_mbarrier_init();
    }
    block_sync();
    launch_dependents();
    wait_for_dependencies();
    u32 key_blocks = ceil_div(args.tokens, kKeyBlock);
    u32 warpgroup = threadIdx.x / kWarpgroupSize;
    if (warpgroup < kWarpgroups) {
        take_registers<CONSUMER_REGISTERS>();
        consume(args, places, key_blocks, warpgroup);
    } else {
        give_registers<24>();
        if (threadIdx.x == kWarpgroups * kWarpgroupSize)
            produce(args, places, key_blocks);
    }
}
