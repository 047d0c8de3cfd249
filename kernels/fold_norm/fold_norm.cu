// fold_norm: rows of a weight [rows, columns] take a LayerNorm in that stands in front of their product, as folding.cuh needs it: w = x *
// norm_weight, row_sums = the sums of w's rows, and bias += x norm_bias^T. Rows come in stretches, as they are read from a file.
//
// Precision   x is INPUT: f32, bf16 or f16; w is OUTPUT: bf16 or f16, rounded once. row_sums are those of the rounded w, which is what the
//             product sums; all sums in float32.
// Mapping     a warp for a row, kVector neighbouring columns a lane; kWarps rows in a block.
// Shared      none.
// Roofline    bound by memory: every weight once in and out; the norm's vectors stay in the caches. 5 FLOP a weight.
//             Reached: not yet measured on a GPU.
#include "convert.cuh"
#include "math.cuh"
#include "memory.cuh"
#include "reduce.cuh"

using Input = INPUT;
using Output = OUTPUT;

constexpr u32 kThreads = 256;
constexpr u32 kBlocksPerSm = 4;
constexpr u32 kWarps = kThreads / kWarpSize;
constexpr u32 kVector = 4;

static_assert(sizeof(Output) == 2, "what is folded into: the weights of tensor cores");

struct FoldNormArgs {
    const Input* x;              // [rows, columns]
    const float* norm_weight;    // [columns]
    const float* norm_bias;      // [columns]
    Output* w;                   // [rows, columns]
    float* row_sums;             // [rows]
    float* bias;                 // [rows], added to
    u32 rows;
    u32 columns;                 // a multiple of kVector
};

KERNEL(fold_norm, FoldNormArgs) {
    u32 row = blockIdx.x * kWarps + warp_index();
    if (row >= args.rows)
        return;
    u64 first = static_cast<u64>(row) * args.columns;
    float row_sum = 0, added = 0;
    for (u32 column = lane_index() * kVector; column < args.columns; column += kWarpSize * kVector) {
        float values[kVector], weight[kVector], bias[kVector];
        load_floats(args.x + first + column, values);
        load_floats(args.norm_weight + column, weight);
        load_floats(args.norm_bias + column, bias);
        u32 words[kVector / 2];
        UNROLL for (u32 i = 0; i < kVector; i += 2) {
            words[i / 2] = pack2<Output>(values[i] * weight[i], values[i + 1] * weight[i + 1]);
            Floats2 rounded = unpack2<Output>(words[i / 2]);
            row_sum += rounded.low + rounded.high;
            added = fused_multiply_add(values[i], bias[i], added);
            added = fused_multiply_add(values[i + 1], bias[i + 1], added);
        }
        store8(args.w + first + column, words[0] | static_cast<u64>(words[1]) << 32);
    }
    row_sum = lanes_sum(row_sum), added = lanes_sum(added);
    if (lane_index() == 0) {
        args.row_sums[row] = row_sum;
        args.bias[row] += added;
    }
}
