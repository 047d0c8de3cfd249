// mean_tokens: y = the mean of every picture's first token_count tokens.
//
// Precision   INPUT and OUTPUT are f32, bf16 or f16; the sum in float32, in the order of the tokens, then one division.
// Mapping     a thread for VECTOR neighbouring columns of a picture, kTokensAtOnce tokens on their way at a time.
// Shared      none.
// Roofline    bound by memory, and at small batches by the latency of one access: reads token_count * COLUMNS elements of a picture once,
//             writes COLUMNS; 1 FLOP an element.
//             Reached: not yet measured on a GPU.
#include "convert.cuh"
#include "memory.cuh"

using Input = INPUT;
using Output = OUTPUT;

constexpr u32 kColumns = COLUMNS;
constexpr u32 kVector = VECTOR;
constexpr u32 kThreads = 64;    // so that one picture's columns are spread over several multiprocessors
constexpr u32 kBlocksPerSm = 8;
constexpr u32 kTokensAtOnce = 8;
constexpr u32 kVectorsPerRow = kColumns / kVector;

static_assert(kColumns % kVector == 0 && kVector * max_of(sizeof(Input), sizeof(Output)) <= 16);

struct MeanTokensArgs {
    const Input* x;    // [batch, tokens, kColumns]
    Output* y;         // [batch, kColumns]
    u32 batch;
    u32 tokens;
    u32 token_count;
};

KERNEL(mean_tokens, MeanTokensArgs) {
    u32 index = blockIdx.x * kThreads + threadIdx.x;
    u32 picture = index / kVectorsPerRow, column = index % kVectorsPerRow * kVector;
    if (picture >= args.batch)
        return;
    const Input* x = args.x + static_cast<u64>(picture) * args.tokens * kColumns + column;

    float sum[kVector] = {};
    for (u32 first = 0; first < args.token_count; first += kTokensAtOnce) {
        float values[kTokensAtOnce][kVector] = {};
        UNROLL for (u32 i = 0; i < kTokensAtOnce; i++) {
            if (first + i < args.token_count)
                load_floats(x + static_cast<u64>(first + i) * kColumns, values[i]);
        }
        UNROLL for (u32 i = 0; i < kTokensAtOnce; i++) {
            UNROLL for (u32 j = 0; j < kVector; j++) sum[j] += values[i][j];
        }
    }
    UNROLL for (u32 j = 0; j < kVector; j++) sum[j] /= static_cast<float>(args.token_count);
    store_floats(args.y + static_cast<u64>(index) * kVector, sum);
}
