// Attention scores in float32: what attention_f32.cu and attention_probabilities.cu have in common. A warp has 16 query rows; lane l holds
// rows l / 8 + 4 r (r = 0 to 3) and keys l % 8 + 8 i of a block, so that 8 lanes share a row and read 8 neighbouring keys at once.
#pragma once

#include "device.cuh"
#include "head_tile.cuh"
#include "math.cuh"
#include "reduce.cuh"

constexpr u32 kLaneRows = 4;
constexpr u32 kRowLanes = 8;

template <u32 kKeyBlock>
struct FloatScores {
    float values[kLaneRows][kKeyBlock / kRowLanes];
};

/// Each row's largest score so far, not scaled, and this lane's part of the sum of its exponentials.
struct FloatRowSums {
    float maximum[kLaneRows];
    float sum[kLaneRows];
};

DEVICE u32 lane_row(u32 r) { return lane_index() / kRowLanes + 4 * r; }
DEVICE u32 lane_key(u32 i) { return lane_index() % kRowLanes + kRowLanes * i; }

DEVICE void load_floats4(SharedAddress address, float (&values)[4]) {
    Words4 words = load_shared16(address);
    values[0] = as_float(words.x), values[1] = as_float(words.y), values[2] = as_float(words.z), values[3] = as_float(words.w);
}

/// Offsets for the keys: the mean of at most kSampledKeys keys spread over all of them, [Tile::kPadded] floats. Whatever is taken from all
/// keys alike changes all scores of a row by the same, which the softmax does not see; but where massive activations make the keys alike,
/// what they have in common is nearly all of a score, and its rounding would be the largest error of the probabilities. A sample serves:
/// what it misses of the mean is a sixth of the keys' own spread.
constexpr u32 kSampledKeys = 32;

template <typename Tile, u32 kHeadDim>
DEVICE void sample_mean_key(SharedAddress mean, const f32* keys, u64 stride, u32 tokens) {
    u32 column = threadIdx.x;
    if (column >= Tile::kPadded)
        return;
    u32 count = min_of(tokens, kSampledKeys);
    float sum = 0;
    if (column < kHeadDim) {
        for (u32 i = 0; i < count; i++) sum += keys[static_cast<u64>(i) * tokens / count * stride + column];
    }
    store_shared4(mean + 4 * column, as_bits(sum / static_cast<float>(count)));
}

/// Scores of a block of keys less their mean, not yet scaled; those from `valid_keys` on are minus infinity. Sums ascend along the head.
template <typename Tile, u32 kKeyBlock>
DEVICE void multiply_keys(FloatScores<kKeyBlock>& scores, SharedAddress queries, SharedAddress keys, SharedAddress mean, u32 valid_keys) {
    UNROLL for (u32 r = 0; r < kLaneRows; r++) {
        UNROLL for (u32 i = 0; i < kKeyBlock / kRowLanes; i++) scores.values[r][i] = 0;
    }
    for (u32 chunk = 0; chunk < Tile::kChunks; chunk++) {
        float query[kLaneRows][4], offset[4];
        UNROLL for (u32 r = 0; r < kLaneRows; r++) load_floats4(queries + tile_offset<Tile>(lane_row(r), chunk), query[r]);
        load_floats4(mean + 16 * chunk, offset);
        UNROLL for (u32 i = 0; i < kKeyBlock / kRowLanes; i++) {
            float key[4];
            load_floats4(keys + kRowLanes * i * Tile::kRowBytes + tile_offset<Tile>(lane_key(0), chunk), key);
            UNROLL for (u32 e = 0; e < 4; e++) {
                key[e] -= offset[e];
                UNROLL for (u32 r = 0; r < kLaneRows; r++)
                    scores.values[r][i] = fused_multiply_add(query[r][e], key[e], scores.values[r][i]);
            }
        }
    }
    UNROLL for (u32 i = 0; i < kKeyBlock / kRowLanes; i++) {
        if (lane_key(i) >= valid_keys) {
            UNROLL for (u32 r = 0; r < kLaneRows; r++) scores.values[r][i] = minus_infinity();
        }
    }
}

DEVICE void clear_sums(FloatRowSums& rows) {
    UNROLL for (u32 r = 0; r < kLaneRows; r++) rows.maximum[r] = minus_infinity(), rows.sum[r] = 0;
}

/// Takes a block of scores into the rows' maxima and sums, and replaces each by e^(scale * (score - maximum)). kept[r] is what everything
/// summed before has to be multiplied with.
template <u32 kKeyBlock>
DEVICE void exponentiate(FloatScores<kKeyBlock>& scores, FloatRowSums& rows, float (&kept)[kLaneRows], float scale) {
    UNROLL for (u32 r = 0; r < kLaneRows; r++) {
        float block = minus_infinity(), sum = 0;
        UNROLL for (u32 i = 0; i < kKeyBlock / kRowLanes; i++) block = max_float(block, scores.values[r][i]);
        float maximum = max_float(rows.maximum[r], lanes_max<kRowLanes>(block));
        kept[r] = exp_of_negative((rows.maximum[r] - maximum) * scale);
        rows.maximum[r] = maximum;
        UNROLL for (u32 i = 0; i < kKeyBlock / kRowLanes; i++) {
            scores.values[r][i] = exp_of_negative((scores.values[r][i] - maximum) * scale);
            sum += scores.values[r][i];
        }
        rows.sum[r] = fused_multiply_add(rows.sum[r], kept[r], sum);
    }
}
