// LayerNorm without a kernel of its own. The product that adds to the residual stream leaves a copy of it in the next product's type, and
// moments of its rows; the next one multiplies that copy with weights into which LayerNorm's are folded, and the sums become those of the
// normed rows: (x - mean) * scale times (g W)^T is scale * (x (g W)^T - mean * row_sum(g W)); what LayerNorm adds is in the bias.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "math.cuh"
#include "memory.cuh"
#include "reduce.cuh"

/// Columns of a row that moments are taken of: the same whatever the tile, so that every tile gives the same bits.
constexpr u32 kMomentColumns = 64;

/// What the stream is multiplied by in its copy: float16 then ends at a million rather than at 65504, which massive activations approach; a
/// power of two costs no digits.
template <typename T>
constexpr float kCopyFactor = kSame<T, f16> ? 1.0f / 16 : 1.0f;

/// Of kMomentColumns neighbouring numbers: their mean, and the sum of squares of their distances from it.
struct alignas(8) Moments {
    float mean, squares;
};

/// A row as LayerNorm sees it: (x - mean) * scale, with x as the copy has it.
struct RowScale {
    float mean, scale;
};

/// The sum of 16 sums of four neighbouring columns each, of which some lanes have as many each; all of them get it. It is the same for both
/// ways in which kernels hold them: of 16 lanes, the i-th has the i-th four columns; of four, lane t has the four from 8 (t % 2) + 4 (t / 2)
/// on of each 16 columns.
template <u32 kLanes>
DEVICE float sum_of_fours(const float (&fours)[16 / kLanes]) {
    if constexpr (kLanes == 4) {
        return lanes_sum<4>((fours[0] + fours[2]) + (fours[1] + fours[3]));
    } else {
        static_assert(kLanes == 16);
        float sum = fours[0];
        constexpr u32 kMasks[] = {8, 4, 1, 2};
        UNROLL for (u32 i = 0; i < 4; i++) sum += as_float(shuffle_xor(as_bits(sum), kMasks[i]));
        return sum;
    }
}

/// Moments of kMomentColumns numbers of a row, which lanes hold as above; all of them get them. Squares are taken around the mean, so that
/// channels hundreds of times larger than the rest (massive activations) cost no digits.
template <u32 kLanes>
DEVICE Moments moments_of(const float (&values)[kMomentColumns / kLanes]) {
    constexpr u32 kFours = 16 / kLanes;
    float sums[kFours] = {}, squares[kFours] = {};
    UNROLL for (u32 i = 0; i < 4 * kFours; i++) sums[i / 4] += values[i];
    float mean = sum_of_fours<kLanes>(sums) / kMomentColumns;
    UNROLL for (u32 i = 0; i < 4 * kFours; i++) {
        float distance = values[i] - mean;
        squares[i / 4] = fused_multiply_add(distance, distance, squares[i / 4]);
    }
    return {mean, sum_of_fours<kLanes>(squares)};
}

/// The scales of kRows rows of a copy in T, of which each has `groups` moments, and which four neighbouring lanes share; all four get them.
/// Groups have as many columns each: the row's squares are those within the groups, and kMomentColumns times those of the groups' means.
template <typename T, u32 kRows>
DEVICE void load_row_scales(RowScale (&scales)[kRows], const Moments* moments, const u32 (&rows)[kRows], u32 groups, float eps) {
    float sums[kRows] = {}, within[kRows] = {}, between[kRows] = {};
    for (u32 first = 0; first < groups; first += 4) {
        u32 group = first + lane_index() % 4;
        UNROLL for (u32 i = 0; i < kRows; i++) {
            float pair[2] = {};
            if (group < groups)
                load_floats(&moments[static_cast<u64>(rows[i]) * groups + group].mean, pair);
            sums[i] += pair[0];
            within[i] += pair[1];
        }
    }
    UNROLL for (u32 i = 0; i < kRows; i++) scales[i].mean = divide(lanes_sum<4>(sums[i]), static_cast<float>(groups));
    // A second time, from the cache: kept, they would take the registers of the product's sums.
    for (u32 first = 0; first < groups; first += 4) {
        u32 group = first + lane_index() % 4;
        UNROLL for (u32 i = 0; i < kRows; i++) {
            float pair[2] = {scales[i].mean};
            if (group < groups)
                load_floats(&moments[static_cast<u64>(rows[i]) * groups + group].mean, pair);
            float distance = pair[0] - scales[i].mean;
            between[i] = fused_multiply_add(distance, distance, between[i]);
        }
    }
    UNROLL for (u32 i = 0; i < kRows; i++) {
        float squares = fused_multiply_add(static_cast<float>(kMomentColumns), lanes_sum<4>(between[i]), lanes_sum<4>(within[i]));
        scales[i].scale = reciprocal_sqrt(divide(squares, static_cast<float>(groups * kMomentColumns)) + eps) / kCopyFactor<T>;
        scales[i].mean *= kCopyFactor<T>;
    }
}

/// A sum of products of a row's copy becomes that of the normed row, and the bias is added. `row_sum` is that of the folded weights.
DEVICE float normed(float sum, RowScale scale, float row_sum, float bias) {
    return fused_multiply_add(fused_multiply_add(-scale.mean, row_sum, sum), scale.scale, bias);
}
