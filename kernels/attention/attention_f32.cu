// Attention in float32: context = softmax(q k^T / sqrt(head dim)) v for each head, from the fused qkv as it lies, for the first tokens of
// each picture.
//
// Precision   float32 throughout, by fused multiply-adds; exponentials to about 1 unit in the last place. The keys go in less what they
//             have in common (attention_ffma.cuh), which keeps the probabilities right for models with massive activations. The context is
//             summed within each block of KEY_BLOCK keys first, so that no sum has more than KEY_BLOCK + T / KEY_BLOCK terms in a row.
//             A row's sums are taken in one order, whatever else a launch computes.
// Mapping     Grid (query tiles, heads, pictures). A block has WARPS warps of 16 query rows each; keys and values pass by in blocks of
//             KEY_BLOCK tokens with an online softmax, so that no score is ever stored in global memory. A lane has 4 rows: of the scores
//             with every 8th key, of the context with every 8th chunk of 4 columns.
// Shared      2 stages of [keys | values], each [KEY_BLOCK][head dim to a multiple of 4], filled by cp.async one block ahead; the queries
//             [WARPS * 16][head dim to a multiple of 4], whose place the context takes in the end; for each warp a block of its
//             exponentials [16][KEY_BLOCK and 8 more where those keep banks apart]; the mean key.
// Roofline    4 T D FLOP for each query; reads q once, k and v once for each query tile, and 32 keys of it again for their mean; writes the
//             context once. Bound by shared memory and FMA issue: 9 16-byte reads for 80 additions and FMA of a score step.
//             Reached: not yet measured on a GPU.
#include "attention_ffma.cuh"
#include "score_rows.cuh"
#include "sync.cuh"

constexpr u32 kHeadDim = HEAD_DIM;
constexpr u32 kKeyBlock = KEY_BLOCK;
constexpr u32 kWarps = WARPS;
constexpr u32 kThreads = kWarps * kWarpSize;
constexpr u32 kBlocksPerSm = BLOCKS_PER_SM;

using Tile = HeadTile<f32, kHeadDim, 4>;

constexpr u32 kWarpRows = 16;
constexpr u32 kBlockRows = kWarps * kWarpRows;
constexpr u32 kKeysBytes = kKeyBlock * Tile::kRowBytes;
constexpr u32 kStageBytes = 2 * kKeysBytes;
constexpr u32 kLaneChunks = ceil_div(Tile::kChunks, kRowLanes);
constexpr u32 kWeightsStride = 4 * staged_columns(kKeyBlock);

static_assert(kHeadDim >= 1 && kHeadDim <= 128 && Tile::kPadded <= kThreads, "a thread sums a column of the mean key");
static_assert(kKeyBlock % 8 == 0);

struct AttentionArgs {
    const f32* qkv;    // [batch, tokens, 3, heads, kHeadDim]
    f32* context;      // [batch, query_tokens, heads, kHeadDim]
    u32 tokens;
    u32 query_tokens;
    u32 heads;
    float scale;       // 1 / sqrt(kHeadDim)
};

struct Context {
    float values[kLaneRows][kLaneChunks][4];
};

/// The exponentials to where all lanes of their row find them.
DEVICE void store_weights(SharedAddress weights, const FloatScores<kKeyBlock>& scores) {
    UNROLL for (u32 r = 0; r < kLaneRows; r++) {
        UNROLL for (u32 i = 0; i < kKeyBlock / kRowLanes; i++)
            store_shared4(weights + lane_row(r) * kWeightsStride + 4 * lane_key(i), as_bits(scores.values[r][i]));
    }
}

/// context = context * kept + weights * values.
DEVICE void multiply_values(Context& context, const float (&kept)[kLaneRows], SharedAddress weights, SharedAddress values) {
    Context block = {};
    for (u32 first_key = 0; first_key < kKeyBlock; first_key += 4) {
        float weight[kLaneRows][4];
        UNROLL for (u32 r = 0; r < kLaneRows; r++) load_floats4(weights + lane_row(r) * kWeightsStride + 4 * first_key, weight[r]);
        UNROLL for (u32 i = 0; i < 4; i++) {
            UNROLL for (u32 j = 0; j < kLaneChunks; j++) {
                u32 chunk = lane_index() % kRowLanes + kRowLanes * j;
                float value[4] = {};
                if (Tile::kChunks % kRowLanes == 0 || chunk < Tile::kChunks)
                    load_floats4(values + tile_offset<Tile>(first_key + i, chunk), value);
                UNROLL for (u32 r = 0; r < kLaneRows; r++) {
                    UNROLL for (u32 e = 0; e < 4; e++)
                        block.values[r][j][e] = fused_multiply_add(weight[r][i], value[e], block.values[r][j][e]);
                }
            }
        }
    }
    UNROLL for (u32 r = 0; r < kLaneRows; r++) {
        UNROLL for (u32 j = 0; j < kLaneChunks; j++) {
            UNROLL for (u32 e = 0; e < 4; e++)
                context.values[r][j][e] = fused_multiply_add(context.values[r][j][e], kept[r], block.values[r][j][e]);
        }
    }
}

/// The warp's rows, divided by their sums, into its own part of shared memory.
DEVICE void stage_context(SharedAddress tile, const Context& context, const FloatRowSums& rows) {
    UNROLL for (u32 r = 0; r < kLaneRows; r++) {
        float inverse = 1.0f / lanes_sum<kRowLanes>(rows.sum[r]);
        UNROLL for (u32 j = 0; j < kLaneChunks; j++) {
            u32 chunk = lane_index() % kRowLanes + kRowLanes * j;
            const float* c = context.values[r][j];
            if (Tile::kChunks % kRowLanes == 0 || chunk < Tile::kChunks) {
                store_shared16(tile + tile_offset<Tile>(lane_row(r), chunk),
                    {as_bits(c[0] * inverse), as_bits(c[1] * inverse), as_bits(c[2] * inverse), as_bits(c[3] * inverse)});
            }
        }
    }
}

KERNEL(attention_f32, AttentionArgs) {
    SHARED_MEMORY(smem);
    SharedAddress stages = shared_address(smem);
    SharedAddress query_tile = stages + 2 * kStageBytes + warp_index() * kWarpRows * Tile::kRowBytes;
    SharedAddress weights = stages + 2 * kStageBytes + kBlockRows * Tile::kRowBytes + warp_index() * kWarpRows * kWeightsStride;
    SharedAddress mean_key = stages + 2 * kStageBytes + kBlockRows * (Tile::kRowBytes + kWeightsStride);

    u32 head = blockIdx.y, picture = blockIdx.z;
    u32 hidden = args.heads * kHeadDim;
    u64 stride = 3 * hidden;
    const f32* q = args.qkv + picture * args.tokens * stride + head * kHeadDim;    // [tokens, kHeadDim], `stride` apart
    const f32* k = q + hidden;
    const f32* v = k + hidden;
    u32 first_row = blockIdx.x * kBlockRows + warp_index() * kWarpRows;
    // Warps behind the last query compute nothing, but copy keys and values like the others.
    bool has_rows = first_row < args.query_tokens;
    u32 valid_rows = has_rows ? args.query_tokens - first_row : 0;
    u32 key_blocks = ceil_div(args.tokens, kKeyBlock);

    auto copy_block = [&](u32 block) {
        u32 first_key = block * kKeyBlock;
        SharedAddress keys = stages + block % 2 * kStageBytes;
        copy_rows<Tile, kKeyBlock, kThreads>(keys, k + first_key * stride, stride, args.tokens - first_key, threadIdx.x);
        copy_rows<Tile, kKeyBlock, kThreads>(keys + kKeysBytes, v + first_key * stride, stride, args.tokens - first_key, threadIdx.x);
        cp_async_commit();
    };

    // The first block's barrier makes queries and mean key visible too.
    copy_rows<Tile, kWarpRows, kWarpSize>(query_tile, q + (has_rows ? first_row * stride : 0), stride, valid_rows, lane_index());
    copy_block(0);
    sample_mean_key<Tile, kHeadDim>(mean_key, k, stride, args.tokens);

    Context context = {};
    FloatRowSums rows;
    clear_sums(rows);
    for (u32 block = 0; block < key_blocks; block++) {
        // This block has come, for all threads; and all are done with the one before, whose stage is filled now.
        cp_async_wait<0>();
        block_sync();
        if (block + 1 < key_blocks)
            copy_block(block + 1);
        if (has_rows) {
            SharedAddress keys = stages + block % 2 * kStageBytes;
            FloatScores<kKeyBlock> scores;
            float kept[kLaneRows];
            multiply_keys<Tile>(scores, query_tile, keys, mean_key, args.tokens - block * kKeyBlock);
            exponentiate(scores, rows, kept, args.scale);
            store_weights(weights, scores);
            warp_sync();
            multiply_values(context, kept, weights, keys + kKeysBytes);
            // The next block's exponentials come behind its barrier.
        }
    }

    if (has_rows) {
        // All lanes are done with the queries: they met behind the last block's scores.
        stage_context(query_tile, context, rows);
        warp_sync();
        f32* destination = args.context + (static_cast<u64>(picture) * args.query_tokens + first_row) * hidden + head * kHeadDim;
        store_rows<Tile, kWarpRows>(destination, hidden, query_tile, valid_rows);
    }
}
