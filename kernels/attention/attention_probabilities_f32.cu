// Attention probabilities of chosen heads in float32: softmax(q k^T / sqrt(head dim)), all tokens by all tokens.
//
// Precision   float32 throughout, as attention_f32.cu has it: the keys less what they have in common, exponentials to about 1 unit in the
//             last place.
// Mapping     Grid (query tiles, chosen heads, pictures). A block has WARPS warps of 16 query rows each. The keys pass by twice in blocks
//             of KEY_BLOCK tokens: first for each row's maximum and sum, then for the probabilities themselves, so that nothing but these
//             is ever stored.
// Shared      2 stages of keys [KEY_BLOCK][head dim to a multiple of 4], filled by cp.async one block ahead; the queries; for each warp a
//             block of probabilities [16][KEY_BLOCK and 8 more where those keep banks apart], so that rows leave as whole stretches; the
//             mean key.
// Roofline    bound by shared memory and FMA issue: 4 T D FLOP for each query, against 4 T bytes written.
//             Reached: not yet measured on a GPU.
#include "attention_ffma.cuh"
#include "score_rows.cuh"
#include "sync.cuh"

constexpr u32 kHeadDim = HEAD_DIM;
constexpr u32 kKeyBlock = KEY_BLOCK;
constexpr u32 kWarps = WARPS;
constexpr u32 kVector = VECTOR;
constexpr u32 kThreads = kWarps * kWarpSize;
constexpr u32 kBlocksPerSm = BLOCKS_PER_SM;

using Tile = HeadTile<f32, kHeadDim, 4>;

constexpr u32 kWarpRows = 16;
constexpr u32 kBlockRows = kWarps * kWarpRows;
constexpr u32 kStageBytes = kKeyBlock * Tile::kRowBytes;
constexpr u32 kStagedStride = 4 * staged_columns(kKeyBlock);

static_assert(kHeadDim >= 1 && kHeadDim <= 128 && Tile::kPadded <= kThreads, "a thread sums a column of the mean key");
static_assert(kKeyBlock % 8 == 0);

struct AttentionProbabilitiesArgs {
    const f32* qkv;          // [batch, tokens, 3, heads, kHeadDim]
    const u32* chosen;       // [grid's y]: the heads whose probabilities are wanted
    float* probabilities;    // [batch, grid's y, tokens, tokens]
    u32 tokens;
    u32 heads;
    float scale;             // 1 / sqrt(kHeadDim)
};

/// A block of probabilities into the warp's own part of shared memory.
DEVICE void stage_probabilities(SharedAddress staged, const FloatScores<kKeyBlock>& scores, const FloatRowSums& rows, float scale) {
    UNROLL for (u32 r = 0; r < kLaneRows; r++) {
        float maximum = rows.maximum[r], inverse = 1.0f / rows.sum[r];
        UNROLL for (u32 i = 0; i < kKeyBlock / kRowLanes; i++) {
            float probability = exp_of_negative((scores.values[r][i] - maximum) * scale) * inverse;
            store_shared4(staged + lane_row(r) * kStagedStride + 4 * lane_key(i), as_bits(probability));
        }
    }
}

KERNEL(attention_probabilities_f32, AttentionProbabilitiesArgs) {
    SHARED_MEMORY(smem);
    SharedAddress stages = shared_address(smem);
    SharedAddress query_tile = stages + 2 * kStageBytes + warp_index() * kWarpRows * Tile::kRowBytes;
    SharedAddress staged = stages + 2 * kStageBytes + kBlockRows * Tile::kRowBytes + warp_index() * kWarpRows * kStagedStride;
    SharedAddress mean_key = stages + 2 * kStageBytes + kBlockRows * (Tile::kRowBytes + kStagedStride);

    u32 head = args.chosen[blockIdx.y], picture = blockIdx.z;
    u32 hidden = args.heads * kHeadDim;
    u64 stride = 3 * hidden;
    const f32* q = args.qkv + picture * args.tokens * stride + head * kHeadDim;    // [tokens, kHeadDim], `stride` apart
    const f32* k = q + hidden;
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

    // The first block's barrier makes queries and mean key visible too.
    copy_rows<Tile, kWarpRows, kWarpSize>(query_tile, q + (has_rows ? first_row * stride : 0), stride, valid_rows, lane_index());
    copy_block(0);
    sample_mean_key<Tile, kHeadDim>(mean_key, k, stride, args.tokens);

    FloatRowSums rows;
    clear_sums(rows);
    for (u32 pass = 0; pass < 2 * key_blocks; pass++) {
        // This block has come, for all threads; and all are done with the one before, whose stage is filled now.
        cp_async_wait<0>();
        block_sync();
        if (pass + 1 < 2 * key_blocks)
            copy_block(pass + 1);
        if (!has_rows)
            continue;
        u32 first_key = pass % key_blocks * kKeyBlock, valid_keys = args.tokens - first_key;
        FloatScores<kKeyBlock> scores;
        multiply_keys<Tile>(scores, query_tile, stages + pass % 2 * kStageBytes, mean_key, valid_keys);
        if (pass < key_blocks) {
            float kept[kLaneRows];
            exponentiate(scores, rows, kept, args.scale);
            if (pass + 1 == key_blocks) {
                UNROLL for (u32 r = 0; r < kLaneRows; r++) rows.sum[r] = lanes_sum<kRowLanes>(rows.sum[r]);
            }
        } else {
            stage_probabilities(staged, scores, rows, args.scale);
            warp_sync();
            store_score_rows<kKeyBlock, kVector>(destination + first_key, args.tokens, staged, valid_rows, valid_keys);
            // The next block's probabilities come behind its barrier.
        }
    }
}
