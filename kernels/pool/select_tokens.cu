// select_tokens: y = the tokens from first_token on of every picture, in another number format.
//
// Precision   INPUT and OUTPUT are f32, bf16 or f16; one rounding to nearest even.
// Mapping     what is wanted of a picture lies end to end: kVectorsPerThread vectors of VECTOR elements a thread, all loaded before the
//             first is stored; blocks_per_picture blocks for a picture.
// Shared      none.
// Roofline    bound by memory: every wanted element once in and out, no FLOP.
//             Reached: not yet measured on a GPU.
#include "convert.cuh"
#include "memory.cuh"

using Input = INPUT;
using Output = OUTPUT;

constexpr u32 kVector = VECTOR;
constexpr u32 kThreads = 256;
constexpr u32 kBlocksPerSm = 4;
constexpr u32 kVectorsPerThread = 4;

static_assert(kVector * max_of(sizeof(Input), sizeof(Output)) <= 16, "an access takes 16 bytes at most");

struct SelectTokensArgs {
    const Input* x;             // [batch, tokens, columns]
    Output* y;                  // [batch, token_count, columns]
    u32 stride;                 // tokens * columns / kVector
    u32 first;                  // first_token * columns / kVector
    u32 count;                  // token_count * columns / kVector
    u32 blocks_per_picture;
};

KERNEL(select_tokens, SelectTokensArgs) {
    u32 picture = blockIdx.x / args.blocks_per_picture, block = blockIdx.x % args.blocks_per_picture;
    const Input* x = args.x + (static_cast<u64>(picture) * args.stride + args.first) * kVector;
    Output* y = args.y + static_cast<u64>(picture) * args.count * kVector;
    u32 first = block * kVectorsPerThread * kThreads + threadIdx.x;

    float values[kVectorsPerThread][kVector];
    UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
        u32 index = first + i * kThreads;
        if (index < args.count)
            load_floats(x + static_cast<u64>(index) * kVector, values[i]);
    }
    UNROLL for (u32 i = 0; i < kVectorsPerThread; i++) {
        u32 index = first + i * kThreads;
        if (index < args.count)
            store_floats(y + static_cast<u64>(index) * kVector, values[i]);
    }
}
