// Attention: context = softmax(q k^T / sqrt(head dim)) v for each head, from the fused qkv as it lies, for the first tokens of each
// picture.
//
// Precision   ELEMENT is bf16 or f16; scores, maxima, sums and the context accumulate in float32; the exponentials are rounded to ELEMENT
//             for their product with v, the context once at its end. A row's sums are taken in one order, by key blocks and within them,
//             whatever else a launch computes: KEY_BLOCK alone decides it.
// Mapping     Grid (query tiles, heads, pictures). A block has WARPS warps, each with ROW_TILES * 16 query rows, kept in registers; keys
//             and values pass by in blocks of KEY_BLOCK tokens with an online softmax (FlashAttention-2), so that no score is ever stored.
//             Steps of 16 keys behind the last token are left out: 264 tokens cost 272. mma.m16n8k16 throughout.
// Shared      STAGES stages of [keys | values], each [KEY_BLOCK][head dim to a multiple of 16] of ELEMENT, filled by cp.async up to
//             STAGES - 1 blocks ahead. Queries come in through the stage that is filled last, the context leaves through the first ones.
// Roofline    4 T D FLOP for each query; reads q once, k and v once for each query tile (from the second-level cache but for the first),
//             writes the context once. At 264 tokens (D = 80) 33 FLOP for each byte of qkv and context a tile moves: bound by the bus of
//             an H200 at large batches, by latency at batch 1; from about 1000 tokens on by the tensor cores, or by shared memory where
//             ROW_TILES is 1 (every fragment of k and v then serves one mma alone).
//             Reached: not yet measured on a GPU.
#include "attention_mma.cuh"
#include "sync.cuh"

using Element = ELEMENT;

constexpr u32 kHeadDim = HEAD_DIM;
constexpr u32 kKeyBlock = KEY_BLOCK;
constexpr u32 kWarps = WARPS;
constexpr u32 kRowTiles = ROW_TILES;
constexpr u32 kStages = STAGES;
constexpr u32 kThreads = kWarps * kWarpSize;
constexpr u32 kBlocksPerSm = BLOCKS_PER_SM;

using Tile = HeadTile<Element, kHeadDim, 16>;

constexpr u32 kDepthSteps = Tile::kPadded / 16;
constexpr u32 kKeySteps = kKeyBlock / 16;
constexpr u32 kWarpRows = kRowTiles * 16;
constexpr u32 kBlockRows = kWarps * kWarpRows;
constexpr u32 kKeysBytes = kKeyBlock * Tile::kRowBytes;
constexpr u32 kStageBytes = 2 * kKeysBytes;

static_assert(kHeadDim >= 1 && kHeadDim <= 128);
static_assert(kKeyBlock % 16 == 0 && kKeyBlock <= 64, "scores are kept in registers");
static_assert(kStages >= 2);

struct AttentionArgs {
    const Element* qkv;    // [batch, tokens, 3, heads, kHeadDim]
    Element* context;      // [batch, query_tokens, heads, kHeadDim]
    u32 tokens;
    u32 query_tokens;
    u32 heads;
    float scale;           // log2(e) / sqrt(kHeadDim)
};

struct Context {
    Accumulator tiles[kRowTiles][2 * kDepthSteps];    // [row tile][8 columns]
};

/// context += probabilities * values for the first `valid_keys` keys, the probabilities straight from the registers of their scores.
template <bool kTail>
DEVICE void multiply_values(Context& context, const Scores<kRowTiles, kKeySteps>& scores, SharedAddress values, u32 valid_keys) {
    u32 row = lane_index() % 16, chunk = lane_index() / 16;
    UNROLL for (u32 step = 0; step < kKeySteps; step++) {
        if (kTail && 16 * step >= valid_keys)
            continue;
        Words4 weights[kRowTiles];
        UNROLL for (u32 m = 0; m < kRowTiles; m++) {
            const Accumulator &low = scores.tiles[m][2 * step], &high = scores.tiles[m][2 * step + 1];
            weights[m] = {pack2<Element>(low.c[0], low.c[1]), pack2<Element>(low.c[2], low.c[3]), pack2<Element>(high.c[0], high.c[1]),
                pack2<Element>(high.c[2], high.c[3])};
        }
        UNROLL for (u32 depth = 0; depth < kDepthSteps; depth++) {
            Words4 value = load_matrix_x4_transposed(values + step * 16 * Tile::kRowBytes + tile_offset<Tile>(row, 2 * depth + chunk));
            UNROLL for (u32 m = 0; m < kRowTiles; m++) {
                multiply_accumulate<Element>(context.tiles[m][2 * depth], weights[m], value.x, value.y);
                multiply_accumulate<Element>(context.tiles[m][2 * depth + 1], weights[m], value.z, value.w);
            }
        }
    }
}

/// One block of keys and values for the warp's queries.
template <bool kTail>
DEVICE void attend(Context& context, RowSums<kRowTiles>& rows, const QueryFragments<kRowTiles, kDepthSteps>& queries, SharedAddress stage,
    u32 valid_keys, float scale) {
    Scores<kRowTiles, kKeySteps> scores;
    multiply_keys<Element, Tile, kTail>(scores, queries, stage, valid_keys);
    float kept[kRowTiles][2];
    exponentiate(scores, rows, kept, scale);
    UNROLL for (u32 m = 0; m < kRowTiles; m++) {
        UNROLL for (u32 n = 0; n < 2 * kDepthSteps; n++) {
            UNROLL for (u32 e = 0; e < 4; e++) context.tiles[m][n].c[e] *= kept[m][e / 2];
        }
    }
    multiply_values<kTail>(context, scores, stage + kKeysBytes, valid_keys);
}

/// The warp's rows, divided by their sums, into its own part of shared memory.
DEVICE void stage_context(SharedAddress tile, const Context& context, const RowSums<kRowTiles>& rows) {
    UNROLL for (u32 m = 0; m < kRowTiles; m++) {
        UNROLL for (u32 h = 0; h < 2; h++) {
            float inverse = 1.0f / lanes_sum<4>(rows.sum[m][h]);
            u32 row = m * 16 + h * 8 + lane_index() / 4;
            UNROLL for (u32 n = 0; n < 2 * kDepthSteps; n++) {
                const float* c = context.tiles[m][n].c + 2 * h;
                store_shared4(tile + tile_offset<Tile>(row, n) + 4 * (lane_index() % 4), pack2<Element>(c[0] * inverse, c[1] * inverse));
            }
        }
    }
}

KERNEL(attention, AttentionArgs) {
    SHARED_MEMORY(smem);
    SharedAddress stages = shared_address(smem);
    SharedAddress query_tile = stages + (kStages - 1) * kStageBytes + warp_index() * kWarpRows * Tile::kRowBytes;

    u32 head = blockIdx.y, picture = blockIdx.z;
    u32 hidden = args.heads * kHeadDim;
    u64 stride = 3 * hidden;
    const Element* q = args.qkv + picture * args.tokens * stride + head * kHeadDim;    // [tokens, kHeadDim], `stride` apart
    const Element* k = q + hidden;
    const Element* v = k + hidden;
    u32 first_row = blockIdx.x * kBlockRows + warp_index() * kWarpRows;
    // Warps behind the last query compute nothing, but copy keys and values like the others.
    bool has_rows = first_row < args.query_tokens;
    u32 valid_rows = has_rows ? args.query_tokens - first_row : 0;
    u32 key_blocks = ceil_div(args.tokens, kKeyBlock);

    auto copy_block = [&](u32 block, u32 stage) {
        u32 first_key = block * kKeyBlock;
        SharedAddress keys = stages + stage * kStageBytes;
        copy_rows<Tile, kKeyBlock, kThreads>(keys, k + first_key * stride, stride, args.tokens - first_key, threadIdx.x);
        copy_rows<Tile, kKeyBlock, kThreads>(keys + kKeysBytes, v + first_key * stride, stride, args.tokens - first_key, threadIdx.x);
    };

    copy_rows<Tile, kWarpRows, kWarpSize>(query_tile, q + (has_rows ? first_row * stride : 0), stride, valid_rows, lane_index());
    cp_async_commit();
    UNROLL for (u32 block = 0; block < kStages - 1; block++) {
        if (block < key_blocks)
            copy_block(block, block);
        cp_async_commit();
    }

    cp_async_wait<kStages - 1>();
    warp_sync();
    QueryFragments<kRowTiles, kDepthSteps> queries;
    load_queries<Tile>(queries, query_tile);

    Context context;
    UNROLL for (u32 m = 0; m < kRowTiles; m++) {
        UNROLL for (u32 n = 0; n < 2 * kDepthSteps; n++) context.tiles[m][n] = {{0, 0, 0, 0}};
    }
    RowSums<kRowTiles> rows;
    clear_sums(rows);

    u32 stage = 0, free_stage = kStages - 1;
    for (u32 block = 0; block < key_blocks; block++) {
        // This block has come, for all threads; and all are done with the one before, or with their queries, whose stage is filled now.
        cp_async_wait<kStages - 2>();
        block_sync();
        if (block + kStages - 1 < key_blocks)
            copy_block(block + kStages - 1, free_stage);
        cp_async_commit();
        u32 valid_keys = args.tokens - block * kKeyBlock;
        if (has_rows) {
            if (valid_keys >= kKeyBlock)
                attend<false>(context, rows, queries, stages + stage * kStageBytes, kKeyBlock, args.scale);
            else
                attend<true>(context, rows, queries, stages + stage * kStageBytes, valid_keys, args.scale);
        }
        free_stage = stage;
        stage = stage + 1 == kStages ? 0 : stage + 1;
    }

    // The last blocks' stages become the way out once all warps are done with them.
    cp_async_wait<0>();
    block_sync();
    if (has_rows) {
        SharedAddress tile = stages + warp_index() * kWarpRows * Tile::kRowBytes;
        stage_context(tile, context, rows);
        warp_sync();
        Element* destination = args.context + (static_cast<u64>(picture) * args.query_tokens + first_row) * hidden + head * kHeadDim;
        store_rows<Tile, kWarpRows>(destination, hidden, tile, valid_rows);
    }
}
