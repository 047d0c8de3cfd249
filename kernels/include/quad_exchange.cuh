// Sums of wgmma on their way out: four lanes share a row, and have two columns of each 8. They exchange them until each has 16 bytes.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "memory.cuh"
#include "sync.cuh"

/// `a` under the bits of a mask, else `b`. No branch: all lanes come to the same shuffle.
DEVICE u32 choose(u32 mask, u32 a, u32 b) { return b ^ ((a ^ b) & mask); }

/// Half types: of 32 columns, lane t of four gets columns 8 t to 8 t + 7.
template <typename T>
struct QuadExchange {
    static constexpr u32 kGroup = 4;

    DEVICE_MEMBER static u32 column() { return lane_index() % 4 * 8; }

    DEVICE_MEMBER static Words4 exchange(const float (&values)[kGroup][2]) {
        u32 odd = 0u - (lane_index() & 1), upper = 0u - (lane_index() >> 1 & 1);
        u32 words[kGroup];
        UNROLL for (u32 i = 0; i < kGroup; i++) words[i] = pack2<T>(values[i][0], values[i][1]);
        // Neighbours change: then a lane has two lanes' words of column groups `odd` and 2 + `odd`.
        u32 low = shuffle_xor(choose(odd, words[0], words[1]), 1), high = shuffle_xor(choose(odd, words[2], words[3]), 1);
        u32 first[2] = {choose(odd, low, words[0]), choose(odd, words[1], low)};
        u32 second[2] = {choose(odd, high, words[2]), choose(odd, words[3], high)};
        // Pairs change: then it has all four lanes' words of one.
        u32 x = shuffle_xor(choose(upper, first[0], second[0]), 2), y = shuffle_xor(choose(upper, first[1], second[1]), 2);
        return {choose(upper, x, first[0]), choose(upper, y, first[1]), choose(upper, second[0], x), choose(upper, second[1], y)};
    }
};

/// float32: of 16 columns, even lanes get 2 t to 2 t + 3, odd ones 8 + 2 (t - 1) to 8 + 2 (t - 1) + 3.
template <>
struct QuadExchange<f32> {
    static constexpr u32 kGroup = 2;

    DEVICE_MEMBER static u32 column() {
        u32 t = lane_index() % 4;
        return t % 2 * 6 + 2 * t;
    }

    DEVICE_MEMBER static Words4 exchange(const float (&values)[kGroup][2]) {
        u32 odd = 0u - (lane_index() & 1);
        u32 own[2], other[2];
        UNROLL for (u32 i = 0; i < 2; i++) {
            own[i] = choose(odd, as_bits(values[1][i]), as_bits(values[0][i]));
            other[i] = shuffle_xor(choose(odd, as_bits(values[0][i]), as_bits(values[1][i])), 1);
        }
        return {choose(odd, other[0], own[0]), choose(odd, other[1], own[1]), choose(odd, own[0], other[0]), choose(odd, own[1], other[1])};
    }
};

/// Four float32 sums.
DEVICE Words4 add_floats(Words4 a, Words4 b) {
    return {as_bits(as_float(a.x) + as_float(b.x)), as_bits(as_float(a.y) + as_float(b.y)), as_bits(as_float(a.z) + as_float(b.z)),
        as_bits(as_float(a.w) + as_float(b.w))};
}
