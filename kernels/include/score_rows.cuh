// A warp's block of float32 scores in shared memory, [16 rows][keys of a block], and its way out to whole rows of global memory.
#pragma once

#include "device.cuh"
#include "memory.cuh"

/// Floats from a row to the next: an odd multiple of 8, so that 4 neighbouring rows of 8 floats lie in different banks.
constexpr u32 staged_columns(u32 key_block) {
    return key_block % 16 == 8 ? key_block : key_block + 8;
}

/// Stores the first `valid_rows` rows and `valid_keys` columns of the block: a warp takes neighbouring columns of one row at a time,
/// kVector with each access. Rows in global memory lie `stride` floats apart, a multiple of kVector, as is valid_keys.
template <u32 kKeyBlock, u32 kVector>
DEVICE void store_score_rows(float* destination, u64 stride, SharedAddress staged, u32 valid_rows, u32 valid_keys) {
    static_assert(kVector == 1 || kVector == 2);
    UNROLL for (u32 row = 0; row < 16; row++) {
        if (row >= valid_rows)
            break;
        UNROLL for (u32 first = 0; first < kKeyBlock; first += kVector * kWarpSize) {
            u32 column = first + kVector * lane_index();
            if (column >= min_of(valid_keys, kKeyBlock))
                break;
            SharedAddress from = staged + 4 * (row * staged_columns(kKeyBlock) + column);
            if constexpr (kVector == 2)
                store8(destination + row * stride + column, load_shared8(from));
            else
                destination[row * stride + column] = as_float(load_shared4(from));
        }
    }
}
