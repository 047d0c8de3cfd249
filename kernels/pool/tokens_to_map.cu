// tokens_to_map: y[b][c][p] = x[b][first_token + p][c]: the patches of every picture as planes.
//
// Precision   INPUT and OUTPUT are f32, bf16 or f16; one rounding to nearest even.
// Mapping     a block turns a tile of 32 patches x 32 VECTOR channels: on the way in a lane has VECTOR channels of a patch, on the way out
//             PLANE_VECTOR patches of a channel, so that both sides move whole sectors with the widest accesses their rows allow.
// Shared      float [32 VECTOR channels][32 patches]; the patches of channel c are turned by c / VECTOR places, so that the 32 lanes meet
//             32 banks both ways: going in, lanes differ in c / VECTOR; going out, they differ in patch / PLANE_VECTOR and, for the
//             PLANE_VECTOR channels that a warp takes at once, in c / VECTOR.
// Roofline    bound by memory: every element once in and out, no FLOP.
//             Reached: not yet measured on a GPU.
#include "convert.cuh"
#include "memory.cuh"
#include "sync.cuh"

using Input = INPUT;
using Output = OUTPUT;

constexpr u32 kColumns = COLUMNS;
constexpr u32 kVector = VECTOR;
constexpr u32 kPlaneVector = PLANE_VECTOR;
constexpr u32 kThreads = 256;
constexpr u32 kBlocksPerSm = 4;
constexpr u32 kWarps = kThreads / kWarpSize;
constexpr u32 kTilePatches = 32;
constexpr u32 kTileChannels = kWarpSize * kVector;
constexpr u32 kPatchesPerWarp = kTilePatches / kWarps;

static_assert(kColumns % kVector == 0 && kVector * sizeof(Input) <= 16 && kPlaneVector * sizeof(Output) <= 16 && kPlaneVector <= 4);

struct TokensToMapArgs {
    const Input* x;    // [batch, tokens, kColumns]
    Output* y;         // [batch, kColumns, patches]
    u32 tokens;
    u32 patches;       // the last ones of a picture's tokens; a multiple of kPlaneVector
};

/// The word of a patch of the tile in a channel of it.
DEVICE u32 tile_word(u32 channel, u32 patch) { return channel * kTilePatches + (patch + channel / kVector) % kTilePatches; }

KERNEL(tokens_to_map, TokensToMapArgs) {
    SHARED_MEMORY(smem);
    float* const tile = reinterpret_cast<float*>(smem);
    u32 first_patch = blockIdx.x * kTilePatches, first_channel = blockIdx.y * kTileChannels, picture = blockIdx.z;
    const Input* x = args.x + (static_cast<u64>(picture) * args.tokens + (args.tokens - args.patches)) * kColumns;
    Output* y = args.y + static_cast<u64>(picture) * kColumns * args.patches;

    float values[kPatchesPerWarp][kVector];
    u32 channel = lane_index() * kVector;
    bool is_channel = first_channel + channel < kColumns;
    UNROLL for (u32 i = 0; i < kPatchesPerWarp; i++) {
        u32 patch = first_patch + warp_index() + i * kWarps;
        if (is_channel && patch < args.patches)
            load_floats(x + static_cast<u64>(patch) * kColumns + first_channel + channel, values[i]);
    }
    UNROLL for (u32 i = 0; i < kPatchesPerWarp; i++) {
        u32 patch = warp_index() + i * kWarps;
        if (is_channel && first_patch + patch < args.patches) {
            UNROLL for (u32 j = 0; j < kVector; j++) tile[tile_word(channel + j, patch)] = values[i][j];
        }
    }
    block_sync();

    // 32 / kPlaneVector lanes for a channel's patches, and kPlaneVector channels, kVector apart, for a warp at once.
    constexpr u32 kLanesPerChannel = kWarpSize / kPlaneVector;
    u32 patch = lane_index() % kLanesPerChannel * kPlaneVector;
    for (u32 step = warp_index(); step < kTileChannels / kPlaneVector; step += kWarps) {
        u32 group = step / kVector, offset = step % kVector;
        u32 row = group * kVector * kPlaneVector + lane_index() / kLanesPerChannel * kVector + offset;
        if (first_patch + patch < args.patches && first_channel + row < kColumns) {
            float out[kPlaneVector];
            UNROLL for (u32 j = 0; j < kPlaneVector; j++) out[j] = tile[tile_word(row, patch + j)];
            store_floats(y + static_cast<u64>(first_channel + row) * args.patches + first_patch + patch, out);
        }
    }
}
