// LayerNorm: y = (x - mean) / sqrt(variance + eps) * weight + bias over the last dimension, of chosen tokens.
//
// Precision   INPUT and OUTPUT are f32, bf16 or f16; statistics in float32. The mean is corrected by the mean of what is left after
//             subtracting it, and the variance is taken around the corrected mean, so that channels hundreds of times larger than the rest
//             (massive activations) cost no digits.
// Mapping     THREADS_PER_ROW threads for a row, kept in registers from one read to one write; ROWS_PER_BLOCK rows in a block.
// Shared      3 floats for each warp, where a row has more than one warp.
// Dependents  From sm_90 on it begins, and lets the kernel behind it begin, before the one in front has ended.
// Roofline    bound by memory: reads and writes every row once, COLUMNS * (sizeof(INPUT) + sizeof(OUTPUT)) bytes, about 8 FLOP an element.
//             Reached: not yet measured on a GPU.
#include "dependencies.cuh"
#include "math.cuh"
#include "memory.cuh"
#include "reduce.cuh"

using Input = INPUT;
using Output = OUTPUT;

constexpr u32 kColumns = COLUMNS;
constexpr u32 kThreadsPerRow = THREADS_PER_ROW;
constexpr u32 kRowsPerBlock = ROWS_PER_BLOCK;
constexpr u32 kThreads = kThreadsPerRow * kRowsPerBlock;
constexpr u32 kBlocksPerSm = 1;
constexpr u32 kWarpsPerRow = kThreadsPerRow / kWarpSize;
// 4 columns to a lane at a time: weight and bias are float32, and a warp's accesses then have no gaps in any of the arrays.
constexpr u32 kVector = widest_vector<f32>(kColumns);
constexpr u32 kVectorsPerThread = ceil_div(kColumns, kVector * kThreadsPerRow);

static_assert(kThreadsPerRow % kWarpSize == 0 && kThreads <= 1024);
static_assert(kVectorsPerThread * kVector <= 64, "a thread's part of a row must fit into registers");

struct LayerNormArgs {
    const Input* x;         // [batch, tokens, kColumns]
    const float* weight;    // [kColumns]
    const float* bias;      // [kColumns]
    Output* y;              // [batch, token_count, kColumns]
    u32 rows;               // batch * token_count
    u32 tokens;
    u32 first_token;
    u32 token_count;
    float eps;
};

/// The sum over all threads of a row, in one order. `scratch` holds a float for each warp of the block.
DEVICE float row_sum(float value, float* scratch) {
    value = lanes_sum(value);
    if constexpr (kWarpsPerRow > 1) {
        if (lane_index() == 0)
            scratch[warp_index()] = value;
        block_sync();
        u32 first_warp = threadIdx.x / kThreadsPerRow * kWarpsPerRow;
        value = scratch[first_warp];
        UNROLL for (u32 warp = 1; warp < kWarpsPerRow; warp++) value += scratch[first_warp + warp];
    }
    return value;
}

KERNEL(layer_norm, LayerNormArgs) {
    SHARED_MEMORY(smem);
    float* const scratch = reinterpret_cast<float*>(smem);    // [3][warps of the block]
    constexpr u32 kWarps = kThreads / kWarpSize;

    // Behind the last row there is nothing to load or store, but all threads meet at the barriers.
    u32 row = blockIdx.x * kRowsPerBlock + threadIdx.x / kThreadsPerRow;
    bool is_row = row < args.rows;
    u32 image = row / args.token_count, token = args.first_token + row % args.token_count;
    const Input* x = args.x + (static_cast<u64>(image) * args.tokens + token) * kColumns;
    Output* y = args.y + static_cast<u64>(row) * kColumns;
    u32 first_column = threadIdx.x % kThreadsPerRow * kVector;
    launch_dependents();
    wait_for_dependencies();

    float values[kVectorsPerThread][kVector];
    float sum = 0;
    UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
        u32 column = first_column + i * kVector * kThreadsPerRow;
        if (is_row && column < kColumns) {
            load_floats(x + column, values[i]);
            UNROLL for (u32 j = 0; j < kVector; j++) sum += values[i][j];
        }
    }
    float rough_mean = row_sum(sum, scratch) / kColumns;

    float rest = 0, squares = 0;
    UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
        if (is_row && first_column + i * kVector * kThreadsPerRow < kColumns) {
            UNROLL for (u32 j = 0; j < kVector; j++) {
                values[i][j] -= rough_mean;
                rest += values[i][j];
                squares = fused_multiply_add(values[i][j], values[i][j], squares);
            }
        }
    }
    float correction = row_sum(rest, scratch + kWarps) / kColumns;
    float variance = row_sum(squares, scratch + 2 * kWarps) / kColumns - correction * correction;
    float scale = reciprocal_sqrt(variance + args.eps);

    UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
        u32 column = first_column + i * kVector * kThreadsPerRow;
        if (is_row && column < kColumns) {
            float weight[kVector], bias[kVector], result[kVector];
            load_floats(args.weight + column, weight);
            load_floats(args.bias + column, bias);
            UNROLL for (u32 j = 0; j < kVector; j++) result[j] = fused_multiply_add((values[i][j] - correction) * scale, weight[j], bias[j]);
            store_floats(y + column, result);
        }
    }
}
