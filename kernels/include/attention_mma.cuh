// Attention scores by tensor cores: what attention.cu and attention_probabilities.cu have in common in half precision. A warp has
// kRowTiles tiles of 16 query rows; lane l holds rows l / 4 and l / 4 + 8 of each, every step of 16 keys is two accumulators of 8 keys.
#pragma once

#include "device.cuh"
#include "head_tile.cuh"
#include "math.cuh"
#include "mma.cuh"
#include "reduce.cuh"

template <u32 kRowTiles, u32 kDepthSteps>
struct QueryFragments {
    Words4 words[kRowTiles][kDepthSteps];
};

template <u32 kRowTiles, u32 kKeySteps>
struct Scores {
    Accumulator tiles[kRowTiles][2 * kKeySteps];
};

/// The largest score of each row so far, times `scale` and rounded, and this lane's part of the sum of the row's exponentials.
template <u32 kRowTiles>
struct RowSums {
    float maximum[kRowTiles][2];
    float sum[kRowTiles][2];
};

template <u32 kRowTiles>
DEVICE void clear_sums(RowSums<kRowTiles>& rows) {
    UNROLL for (u32 m = 0; m < kRowTiles; m++) {
        UNROLL for (u32 h = 0; h < 2; h++) rows.maximum[m][h] = minus_infinity(), rows.sum[m][h] = 0;
    }
}

/// The warp's query rows from a tile in shared memory into registers.
template <typename Tile, u32 kRowTiles, u32 kDepthSteps>
DEVICE void load_queries(QueryFragments<kRowTiles, kDepthSteps>& queries, SharedAddress tile) {
    u32 row = lane_index() % 16, chunk = lane_index() / 16;
    UNROLL for (u32 m = 0; m < kRowTiles; m++) {
        UNROLL for (u32 depth = 0; depth < kDepthSteps; depth++)
            queries.words[m][depth] = load_matrix_x4(tile + m * 16 * Tile::kRowBytes + tile_offset<Tile>(row, 2 * depth + chunk));
    }
}

/// Scores of the first `valid_keys` keys of a tile, not yet scaled; those behind are minus infinity. A whole tile needs no masks (kTail).
template <typename T, typename Tile, bool kTail, u32 kRowTiles, u32 kKeySteps, u32 kDepthSteps>
DEVICE void multiply_keys(
    Scores<kRowTiles, kKeySteps>& scores, const QueryFragments<kRowTiles, kDepthSteps>& queries, SharedAddress keys, u32 valid_keys) {
    u32 row = lane_index() / 16 * 8 + lane_index() % 8, chunk = lane_index() / 8 % 2;
    UNROLL for (u32 m = 0; m < kRowTiles; m++) {
        UNROLL for (u32 n = 0; n < 2 * kKeySteps; n++) scores.tiles[m][n] = {{0, 0, 0, 0}};
    }
    UNROLL for (u32 depth = 0; depth < kDepthSteps; depth++) {
        UNROLL for (u32 step = 0; step < kKeySteps; step++) {
            if (kTail && 16 * step >= valid_keys)
                continue;
            Words4 key = load_matrix_x4(keys + step * 16 * Tile::kRowBytes + tile_offset<Tile>(row, 2 * depth + chunk));
            UNROLL for (u32 m = 0; m < kRowTiles; m++) {
                multiply_accumulate<T>(scores.tiles[m][2 * step], queries.words[m][depth], key.x, key.y);
                multiply_accumulate<T>(scores.tiles[m][2 * step + 1], queries.words[m][depth], key.z, key.w);
            }
        }
    }
    if constexpr (kTail) {
        UNROLL for (u32 n = 0; n < 2 * kKeySteps; n++) {
            UNROLL for (u32 e = 0; e < 2; e++) {
                bool is_there = 8 * n + 2 * (lane_index() % 4) + e < valid_keys;
                UNROLL for (u32 m = 0; m < kRowTiles; m++) {
                    Accumulator& tile = scores.tiles[m][n];
                    tile.c[e] = is_there ? tile.c[e] : minus_infinity(), tile.c[2 + e] = is_there ? tile.c[2 + e] : minus_infinity();
                }
            }
        }
    }
}

/// Takes a block of scores into the rows' maxima and sums, and replaces each by 2^(scale * score - maximum). kept[m][h] is what everything
/// summed before has to be multiplied with. The subtraction is exact but for one rounding (fused), and the maximum is rounded once for all
/// keys, so that large scores cost no more digits than their own float32 rounding.
template <u32 kRowTiles, u32 kKeySteps>
DEVICE void exponentiate(Scores<kRowTiles, kKeySteps>& scores, RowSums<kRowTiles>& rows, float (&kept)[kRowTiles][2], float scale) {
    UNROLL for (u32 m = 0; m < kRowTiles; m++) {
        UNROLL for (u32 h = 0; h < 2; h++) {
            float block = minus_infinity();
            UNROLL for (u32 n = 0; n < 2 * kKeySteps; n++)
                block = max_float(block, max_float(scores.tiles[m][n].c[2 * h], scores.tiles[m][n].c[2 * h + 1]));
            // Each block has a key, so the maximum is finite from the first block on.
            float maximum = max_float(rows.maximum[m][h], lanes_max<4>(block) * scale);
            kept[m][h] = exp2_approx(rows.maximum[m][h] - maximum);
            rows.maximum[m][h] = maximum;
            float sum = rows.sum[m][h] * kept[m][h];
            UNROLL for (u32 n = 0; n < 2 * kKeySteps; n++) {
                UNROLL for (u32 e = 0; e < 2; e++) {
                    float& score = scores.tiles[m][n].c[2 * h + e];
                    score = exp2_approx(fused_multiply_add(score, scale, -maximum));
                    sum += score;
                }
            }
            rows.sum[m][h] = sum;
        }
    }
}
