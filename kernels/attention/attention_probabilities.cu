// Attention probabilities of chosen heads, as float32: softmax(q k^T / sqrt(head dim)), all tokens by all tokens.
//
// Precision   ELEMENT is bf16 or f16; scores, maxima and sums in float32, nothing rounded to ELEMENT.
// Mapping     Grid (query tiles, chosen heads, pictures). A block has WARPS warps of 16 query rows each. The keys pass by twice in blocks
//             of KEY_BLOCK tokens: first for each row's maximum and sum, then for the probabilities themselves, so that nothing but these
//             is ever stored. mma.m16n8k16 throughout.
// Shared      2 stages of keys [KEY_BLOCK][head dim to a multiple of 16], filled by cp.async one block ahead; the queries; for each warp a
//             block of probabilities [16][KEY_BLOCK and 8 more where those keep banks apart], so that rows leave as whole stretches.
// Roofline    bound by the bus: writes 4 T bytes for each query, against 4 T D FLOP.
//             Reached: not yet measured on a GPU.
#include "attention_mma.cuh"
#include "score_rows.cuh"
#include "sync.cuh"

using Element = ELEMENT;

constexpr u32 kHeadDim = HEAD_DIM;
constexpr u32 kKeyBlock = KEY_BLOCK;
constexpr u32 kWarps = WARPS;
constexpr u32 kVector = VECTOR;
constexpr u32 kThreads = kWarps * kWarpSize;
constexpr u32 kBlocksPerSm = BLOCKS_PER_SM;

using Tile = HeadTile<Element, kHeadDim, 16>;

constexpr u32 kDepthSteps = Tile::kPadded / 16;
constexpr u32 kKeySteps = kKeyBlock / 16;
constexpr u32 kWarpRows = 16;
constexpr u32 kBlockRows = kWarps * kWarpRows;
constexpr u32 kStageBytes = kKeyBlock * Tile::kRowBytes;
constexpr u32 kStagedStride = 4 * staged_columns(kKeyBlock);

static_assert(kHeadDim >= 1 && kHeadDim <= 128);
static_assert(kKeyBlock % 16 == 0 && kKeyBlock <= 64, "scores are kept in registers");

struct AttentionProbabilitiesArgs {
    const Element* qkv;      // [batch, tokens, 3, heads, kHeadDim]
    const u32* chosen;       // [grid's y]: the heads whose probabilities are wanted
    float* probabilities;    // [batch, grid's y, tokens, tokens]
    u32 tokens;
    u32 heads;
    float scale;             // log2(e) / sqrt(kHeadDim)
};

/// The scores of one block for the warp's queries.
DEVICE void score(Scores<1, kKeySteps>& scores, const QueryFragments<1, kDepthSteps>& queries, SharedAddress keys, u32 valid_keys) {
    if (valid_keys >= kKeyBlock)
        multiply_keys<Element, Tile, false>(scores, queries, keys, kKeyBlock);
    else
        multiply_keys<Element, Tile, true>(scores, queries, keys, valid_keys);
}

/// A block of probabilities into the warp's own part of shared memory.
DEVICE void stage_probabilities(SharedAddress staged, const Scores<1, kKeySteps>& scores, const RowSums<1>& rows, float scale) {
    UNROLL for (u32 h = 0; h < 2; h++) {
        float maximum = rows.maximum[0][h], inverse = 1.0f / rows.sum[0][h];
        SharedAddress row = staged + (8 * h + lane_index() / 4) * kStagedStride;
        UNROLL for (u32 n = 0; n < 2 * kKeySteps; n++) {
            const float* c = scores.tiles[0][n].c + 2 * h;
            u32 low = as_bits(exp2_approx(fused_multiply_add(c[0], scale, -maximum)) * inverse);
            u32 high = as_bits(exp2_approx(fused_multiply_add(c[1], scale, -maximum)) * inverse);
            store_shared8(row + 4 * (8 * n + 2 * (lane_index() % 4)), low | static_cast<u64>(high) << 32);
        }
    }
}

KERNEL(attention_probabilities, AttentionProbabilitiesArgs) {
    SHARED_MEMORY(smem);
    SharedAddress stages = shared_address(smem);
    SharedAddress query_tile = stages + 2 * kStageBytes + warp_index() * kWarpRows * Tile::kRowBytes;
    SharedAddress staged = stages + 2 * kStageBytes + kBlockRows * Tile::kRowBytes + warp_index() * kWarpRows * kStagedStride;

    u32 head = args.chosen[blockIdx.y], picture = blockIdx.z;
    u32 hidden = args.heads * kHeadDim;
    u64 stride = 3 * hidden;
    const Element* q = args.qkv + picture * args.tokens * stride + head * kHeadDim;    // [tokens, kHeadDim], `stride` apart
    const Element* k = q + hidden;
    u32 first_row = blockIdx.x * kBlockRows + warp_index() * kWarpRows;
    // Warps behind the last query compute nothing, but copy keys like the others.
    bool has_rows = first_row < args.tokens;
    u32 valid_rows = has_rows ? args.tokens - first_row : 0;
    u32 key_blocks = ceil_div(args.tokens, kKeyBlock);
    float* destination = args.probabilities
        + ((static_cast<u64>(picture) * gridDim.y + blockIdx.y) * args.tokens + first_row) * args.tokens;    // [valid_rows, tokens]

    auto copy_block = [&](u32 pass) {
        u32 first_key = pass % key_blocks * kKeyBlock;
        copy_rows<Tile, kKeyBlock, kThreads>(
            stages + pass % 2 * kStageBytes, k + first_key * stride, stride, args.tokens - first_key, threadIdx.x);
        cp_async_commit();
    };

    copy_rows<Tile, kWarpRows, kWarpSize>(query_tile, q + (has_rows ? first_row * stride : 0), stride, valid_rows, lane_index());
    copy_block(0);

    QueryFragments<1, kDepthSteps> queries;
    RowSums<1> rows;
    clear_sums(rows);
    for (u32 pass = 0; pass < 2 * key_blocks; pass++) {
        // This block has come, for all threads, the queries with the first; and all are done with the one before, whose stage is filled.
        cp_async_wait<0>();
        block_sync();
        if (pass + 1 < 2 * key_blocks)
            copy_block(pass + 1);
        if (pass == 0)
            load_queries<Tile>(queries, query_tile);
        if (!has_rows)
            continue;
        u32 first_key = pass % key_blocks * kKeyBlock, valid_keys = args.tokens - first_key;
        Scores<1, kKeySteps> scores;
        score(scores, queries, stages + pass % 2 * kStageBytes, valid_keys);
        if (pass < key_blocks) {
            float kept[1][2];
            exponentiate(scores, rows, kept, args.scale);
            if (pass + 1 == key_blocks) {
                UNROLL for (u32 h = 0; h < 2; h++) rows.sum[0][h] = lanes_sum<4>(rows.sum[0][h]);
            }
        } else {
            stage_probabilities(staged, scores, rows, args.scale);
            warp_sync();
            store_score_rows<kKeyBlock, kVector>(destination + first_key, args.tokens, staged, valid_rows, valid_keys);
            // The next block's probabilities come behind its barrier.
        }
    }
}
