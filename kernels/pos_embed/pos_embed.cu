// Position embeddings for another grid: [n + stored_height * stored_width, COLUMNS] -> [n + height * width, COLUMNS], float32.
//
// Formula     The class part stays. The patch part is seen as a picture of COLUMNS channels and resized as PyTorch's bicubic interpolation
//             does it: align_corners=False, A = -0.75, no antialiasing, border indices clamped, float32. Lines first, then across them.
// Mapping     a block of 128 threads for each token of the result, a thread for each VECTOR neighbouring channels.
// Shared      none.
// Roofline    bound by memory: 16 rows are read for each that is written; a table is made once for each grid, and its stored rows lie in the
//             second-level cache. 40 FLOP an element. Reached: not yet measured on a GPU.
#include "math.cuh"
#include "memory.cuh"

constexpr u32 kColumns = COLUMNS;
constexpr u32 kVector = widest_vector<f32>(kColumns);
constexpr u32 kThreads = 128;
constexpr u32 kBlocksPerSm = 4;
constexpr float kA = -0.75f;

struct PosEmbedArgs {
    const float* stored;    // [class_tokens + stored_height * stored_width, kColumns]
    float* table;           // [class_tokens + height * width, kColumns]
    u32 class_tokens;
    u32 stored_height;
    u32 stored_width;
    u32 height;
    u32 width;
};

/// The cubic kernel at distances up to 1.
DEVICE float cubic_inner(float x) { return ((kA + 2) * x - (kA + 3)) * x * x + 1; }

/// The cubic kernel at distances from 1 to 2.
DEVICE float cubic_outer(float x) { return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA; }

/// The four stored positions and weights that one position of the result takes along one side.
struct Taps {
    u32 index[4];
    float weight[4];
};

DEVICE Taps taps_of(u32 target, u32 target_size, u32 stored_size) {
    float position = divide(static_cast<float>(stored_size), static_cast<float>(target_size)) * (target + 0.5f) - 0.5f;
    float below = round_down(position), t = position - below;
    Taps taps = {{}, {cubic_outer(t + 1), cubic_inner(t), cubic_inner(1 - t), cubic_outer(2 - t)}};
    UNROLL for (u32 i = 0; i < 4; i++) {
        i32 index = static_cast<i32>(below) - 1 + static_cast<i32>(i);
        taps.index[i] = static_cast<u32>(min_of(max_of(index, 0), static_cast<i32>(stored_size) - 1));
    }
    return taps;
}

KERNEL(pos_embed, PosEmbedArgs) {
    u32 token = blockIdx.x;
    float* to = args.table + static_cast<u64>(token) * kColumns;
    if (token < args.class_tokens) {
        const float* from = args.stored + static_cast<u64>(token) * kColumns;
        for (u32 column = threadIdx.x * kVector; column < kColumns; column += kThreads * kVector) {
            float values[kVector];
            load_floats(from + column, values);
            store_floats(to + column, values);
        }
        return;
    }
    u32 patch = token - args.class_tokens;
    Taps rows = taps_of(patch / args.width, args.height, args.stored_height);
    Taps columns = taps_of(patch % args.width, args.width, args.stored_width);
    const float* patches = args.stored + static_cast<u64>(args.class_tokens) * kColumns;
    for (u32 column = threadIdx.x * kVector; column < kColumns; column += kThreads * kVector) {
        float sums[kVector] = {};
        UNROLL for (u32 i = 0; i < 4; i++) {
            float line[kVector] = {};
            UNROLL for (u32 j = 0; j < 4; j++) {
                float values[kVector];
                load_floats(patches + (static_cast<u64>(rows.index[i]) * args.stored_width + columns.index[j]) * kColumns + column, values);
                UNROLL for (u32 e = 0; e < kVector; e++) line[e] = fused_multiply_add(values[e], columns.weight[j], line[e]);
            }
            UNROLL for (u32 e = 0; e < kVector; e++) sums[e] = fused_multiply_add(line[e], rows.weight[i], sums[e]);
        }
        store_floats(to + column, sums);
    }
}
