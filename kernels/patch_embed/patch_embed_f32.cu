// patch_embed_f32: as patch_embed, in float32 throughout.
//
// Precision   PIXEL is f32 or u8 (less 128, with weight and bias made for it); products and sums in float32, along the patch in chunks of 256
//             elements whose sums are added up, so that the error grows with 256 and not with the patch.
// Mapping     64 patches x 64 channels a block of 4 warps, 8 patches x 4 channels a thread: lanes of a warp stand 4 patches x 8 channels,
//             so that of each 16-byte read 8 lanes share the patches' and meet 8 different chunks of the weights'. Pixels go through
//             registers, one step ahead; weights by cp.async, STAGES - 1 steps ahead. Blocks behind the last tile write the class tokens.
// Shared      weights [STAGES][64] and patches [2][64] of rows of 32 elements = 128 bytes, 16-byte chunk c of row r at c ^ r % 8.
// Roofline    ViT-H: 0.5 GFLOP for each picture of 256 x 256, by FFMA: bound by arithmetic. Reached: not yet measured on a GPU.
#include "math.cuh"
#include "patches.cuh"
#include "sync.cuh"

using Pixel = PIXEL;
using Output = OUTPUT;

constexpr u32 kOutVector = OUT_VECTOR;    // channels that one access writes; divides their number
constexpr u32 kChannels = CHANNELS;
constexpr u32 kPatchHeight = PATCH_HEIGHT;
constexpr u32 kPatchWidth = PATCH_WIDTH;
constexpr u32 kStages = STAGES;
constexpr u32 kBlockRows = 64;
constexpr u32 kBlockColumns = 64;
constexpr u32 kThreads = 128;
constexpr u32 kBlocksPerSm = 2;
constexpr u32 kThreadRows = 8;
constexpr u32 kThreadColumns = 4;

using ThisPatch = Patch<Pixel, kChannels, kPatchHeight, kPatchWidth>;
constexpr u32 kStep = 32;
constexpr u32 kRowBytes = kStep * sizeof(float);
constexpr u32 kSteps = ceil_div(ThisPatch::kElements, kStep);
constexpr u32 kStepsPerChunk = 256 / kStep;
constexpr u32 kWeightPitch = ceil_div(ThisPatch::kElements, 4u) * 4;
constexpr u32 kGroup = 4;
constexpr u32 kRowsPerPass = kThreads / 8;
constexpr u32 kGroupsPerThread = kBlockRows / kRowsPerPass;
constexpr u32 kWeightStageBytes = kBlockColumns * kRowBytes;
constexpr u32 kPatchStageBytes = kBlockRows * kRowBytes;

static_assert(kStages >= 2);

struct PatchEmbedArgs {
    const Pixel* pixels;           // [batch, channels, height, width], or bytes [batch, height, width, channels]
    const float* weight;           // [columns, kWeightPitch], the elements of a patch in the order of the pixels, then zeros
    const float* bias;             // [columns]
    const float* class_tokens;     // [class_count, columns]
    const float* positions;        // [class_count + patches, columns]
    Output* y;                     // [batch, class_count + patches, columns]
    PatchGrid grid;
    u32 batch;
    u32 class_count;
    u32 columns;                   // channels of a token; a multiple of kOutVector
    u32 column_tiles;              // blocks side by side along them
    u32 tiles;                     // blocks that have patches; the others have class tokens
};

DEVICE u32 swizzled(u32 row, u32 chunk) { return row * kRowBytes + ((chunk ^ row % 8) << 4); }

/// Weights [first_column .., step * kStep ..] on their way to a stage; zeros behind the last column and element.
DEVICE void load_weights(const PatchEmbedArgs& args, SharedAddress stage, u32 first_column, u32 step) {
    u32 chunk = threadIdx.x % 8, element = step * kStep + chunk * 4;
    UNROLL for (u32 i = 0; i < kBlockColumns / kRowsPerPass; i++) {
        u32 row = threadIdx.x / 8 + i * kRowsPerPass, column = first_column + row;
        bool inside = column < args.columns && element < kWeightPitch;
        const float* source = inside ? args.weight + static_cast<u64>(column) * kWeightPitch + element : args.weight;
        cp_async16(stage + swizzled(row, chunk), source, inside ? 16 : 0);
    }
}

/// The block's patches, a group of elements for each of its threads in each of kGroupsPerThread rows.
struct Gather {
    u32 origins[kGroupsPerThread];
    PixelGroup<Pixel, kGroup> groups[kGroupsPerThread];
};

DEVICE void load_patches(const PatchEmbedArgs& args, Gather& gather, u32 step) {
    u32 element = step * kStep + threadIdx.x % 8 * kGroup;
    UNROLL for (u32 i = 0; i < kGroupsPerThread; i++)
        load_group<ThisPatch, kChannels, kPatchHeight, kPatchWidth>(args.pixels + gather.origins[i], args.grid, element, gather.groups[i]);
}

DEVICE void store_patches(const Gather& gather, u8* stage) {
    UNROLL for (u32 i = 0; i < kGroupsPerThread; i++) {
        float values[kGroup];
        UNROLL for (u32 j = 0; j < kGroup; j++) values[j] = group_value(gather.groups[i], j);
        u8* to = stage + swizzled(threadIdx.x / 8 + i * kRowsPerPass, threadIdx.x % 8);
        static_assert(kGroup == 4, "one access of 16 bytes");
        store16(to, {as_bits(values[0]), as_bits(values[1]), as_bits(values[2]), as_bits(values[3])});
    }
}

/// sums += patches * weights^T for one step, in the order of the elements.
DEVICE void multiply(const u8* patches, const u8* weights, u32 first_row, u32 first_column, float (&sums)[kThreadRows][kThreadColumns]) {
    UNROLL for (u32 chunk = 0; chunk < kStep / 4; chunk++) {
        float a[kThreadRows][4];
        UNROLL for (u32 i = 0; i < kThreadRows; i++)
            load_floats(reinterpret_cast<const float*>(patches + swizzled(first_row + 4 * i, chunk)), a[i]);
        UNROLL for (u32 j = 0; j < kThreadColumns; j++) {
            float b[4];
            load_floats(reinterpret_cast<const float*>(weights + swizzled(first_column + 8 * j, chunk)), b);
            UNROLL for (u32 i = 0; i < kThreadRows; i++) {
                UNROLL for (u32 k = 0; k < 4; k++) sums[i][j] = fused_multiply_add(a[i][k], b[k], sums[i][j]);
            }
        }
    }
}

KERNEL(patch_embed_f32, PatchEmbedArgs) {
    SHARED_MEMORY(smem);
    if (blockIdx.x >= args.tiles) {
        write_class_tokens<kOutVector>(args.class_tokens, args.positions, args.y, args.batch, static_cast<u64>(args.class_count) * args.columns,
            static_cast<u64>(args.class_count + args.grid.patches) * args.columns, static_cast<u64>(blockIdx.x - args.tiles) * kThreads + threadIdx.x);
        return;
    }
    SharedAddress weights = shared_address(smem);
    u8* patches_smem = smem + kStages * kWeightStageBytes;
    u32 block_row = blockIdx.x / args.column_tiles * kBlockRows, block_column = blockIdx.x % args.column_tiles * kBlockColumns;

    Gather gather;
    // Behind the last patch the last one is read again; its sums go nowhere.
    UNROLL for (u32 i = 0; i < kGroupsPerThread; i++) {
        u32 row = min_of(block_row + threadIdx.x / 8 + i * kRowsPerPass, args.grid.rows - 1);
        gather.origins[i] = patch_origin<ThisPatch, kChannels, kPatchHeight, kPatchWidth>(args.grid, row);
    }
    UNROLL for (u32 step = 0; step < kStages - 1; step++) {
        if (step < kSteps)
            load_weights(args, weights + step * kWeightStageBytes, block_column, step);
        cp_async_commit();
    }
    load_patches(args, gather, 0);
    store_patches(gather, patches_smem);
    if (kSteps > 1)
        load_patches(args, gather, 1);

    u32 row = warp_index() / 2 * 32 + lane_index() / 8, column = warp_index() % 2 * 32 + lane_index() % 8;
    float totals[kThreadRows][kThreadColumns] = {}, sums[kThreadRows][kThreadColumns] = {};
    for (u32 step = 0; step < kSteps; step++) {
        // This step's weights have come for all threads, its patches lie there, and nobody reads any more what is overwritten below.
        cp_async_wait<kStages - 2>();
        block_sync();
        u32 next = step + kStages - 1;
        if (next < kSteps)
            load_weights(args, weights + next % kStages * kWeightStageBytes, block_column, next);
        cp_async_commit();
        if (step + 1 < kSteps)
            store_patches(gather, patches_smem + (step + 1) % 2 * kPatchStageBytes);
        if (step + 2 < kSteps)
            load_patches(args, gather, step + 2);
        multiply(patches_smem + step % 2 * kPatchStageBytes, smem + step % kStages * kWeightStageBytes, row, column, sums);
        if ((step + 1) % kStepsPerChunk == 0 || step + 1 == kSteps) {
            UNROLL for (u32 i = 0; i < kThreadRows; i++) {
                UNROLL for (u32 j = 0; j < kThreadColumns; j++) totals[i][j] += sums[i][j], sums[i][j] = 0;
            }
        }
    }

    // Only empty groups are left.
    cp_async_wait<0>();
    // 8 lanes write 8 neighbouring channels of a token: a sector of float32.
    UNROLL for (u32 i = 0; i < kThreadRows; i++) {
        u32 patch_row = block_row + row + 4 * i;
        if (patch_row >= args.grid.rows)
            continue;
        u32 picture = patch_row / args.grid.patches, token = args.class_count + patch_row % args.grid.patches;
        Output* y = args.y + (static_cast<u64>(picture) * (args.class_count + args.grid.patches) + token) * args.columns;
        UNROLL for (u32 j = 0; j < kThreadColumns; j++) {
            u32 channel = block_column + column + 8 * j;
            if (channel < args.columns)
                y[channel] = from_float<Output>(totals[i][j] + args.bias[channel] + args.positions[static_cast<u64>(token) * args.columns + channel]);
        }
    }
}
