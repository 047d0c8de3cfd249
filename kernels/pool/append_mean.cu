// append_mean: y = every patch with its picture's mean behind it.
//
// Precision   INPUT and OUTPUT are f32, bf16 or f16, the mean is float32; one rounding to nearest even.
// Mapping     a warp for a row of y; VECTOR elements a lane at a time, kVectorsAtOnce of them on their way.
// Shared      none.
// Roofline    bound by memory: reads every patch once, writes twice as many elements; a picture's mean comes from the caches after its
//             first row. No FLOP.
//             Reached: not yet measured on a GPU.
#include "convert.cuh"
#include "memory.cuh"

using Input = INPUT;
using Output = OUTPUT;

constexpr u32 kColumns = COLUMNS;
constexpr u32 kVector = VECTOR;
constexpr u32 kThreads = 128;
constexpr u32 kBlocksPerSm = 8;
constexpr u32 kVectorsAtOnce = 4;

static_assert(kColumns % kVector == 0 && kVector * sizeof(float) <= 16);

struct AppendMeanArgs {
    const Input* x;       // [batch, tokens, kColumns]
    const float* mean;    // [batch, kColumns]
    Output* y;            // [batch, patches, 2 kColumns]
    u32 rows;             // batch * patches
    u32 tokens;
    u32 patches;          // the last ones of a picture's tokens
};

/// A row of kColumns elements from one place to another, by a warp.
template <typename T>
DEVICE void copy_row(const T* from, Output* to) {
    for (u32 first = lane_index() * kVector; first < kColumns; first += kVectorsAtOnce * kWarpSize * kVector) {
        float values[kVectorsAtOnce][kVector];
        UNROLL for (u32 i = 0; i < kVectorsAtOnce; i++) {
            u32 column = first + i * kWarpSize * kVector;
            if (column < kColumns)
                load_floats(from + column, values[i]);
        }
        UNROLL for (u32 i = 0; i < kVectorsAtOnce; i++) {
            u32 column = first + i * kWarpSize * kVector;
            if (column < kColumns)
                store_floats(to + column, values[i]);
        }
    }
}

KERNEL(append_mean, AppendMeanArgs) {
    u32 row = blockIdx.x * (kThreads / kWarpSize) + warp_index();
    if (row >= args.rows)
        return;
    u32 picture = row / args.patches, token = args.tokens - args.patches + row % args.patches;
    Output* y = args.y + static_cast<u64>(row) * 2 * kColumns;
    copy_row(args.x + (static_cast<u64>(picture) * args.tokens + token) * kColumns, y);
    copy_row(args.mean + static_cast<u64>(picture) * kColumns, y + kColumns);
}
