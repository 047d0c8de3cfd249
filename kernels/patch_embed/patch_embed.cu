// patch_embed: tokens = patches * weight^T + bias + positions, behind class tokens + their positions; by tensor cores.
//
// Precision   PIXEL is f32 or u8. ELEMENT is bf16 or f16: float pixels are rounded to it, bytes less 128 are exact in it (their rescaling
//             and normalisation are folded into weight and bias on the host). Sums in float32, along the patch in steps of 16 in one
//             order, whatever the tile; bias, positions and class tokens are float32; one rounding to OUTPUT.
// Mapping     BLOCK_ROWS patches x BLOCK_COLUMNS channels a block, WARP_ROWS x 32 a warp; blocks that share patches follow each other, so
//             that pixels come from memory once. Blocks behind the last tile write the class tokens. Pixels go through registers, one
//             step ahead, because they are gathered and converted; weights by cp.async, STAGES - 1 steps ahead.
// Shared      weights [STAGES][BLOCK_COLUMNS] and patches [2][BLOCK_ROWS] of rows of 64 elements = 128 bytes, 16-byte chunk c of row r at
//             c ^ r % 8: stores fill whole rows, ldmatrix meets 8 different chunks. Afterwards float [warps][16][40]: sums on their way to
//             whole rows, 40 so that 4 rows of fragments meet 32 banks.
// Roofline    ViT-H: 0.5 GFLOP, 0.79 MB of float pixels in and 1.35 MB of float32 tokens out for each picture of 256 x 256, that is 230 FLOP a
//             byte: near the ridge of an H200, beyond that of an RTX 4090. Reached: not yet measured on a GPU.
#include "mma.cuh"
#include "patches.cuh"
#include "sync.cuh"

using Pixel = PIXEL;
using Element = ELEMENT;
using Output = OUTPUT;

constexpr u32 kOutVector = OUT_VECTOR;    // channels that one access writes; divides their number
constexpr u32 kChannels = CHANNELS;
constexpr u32 kPatchHeight = PATCH_HEIGHT;
constexpr u32 kPatchWidth = PATCH_WIDTH;
constexpr u32 kBlockRows = BLOCK_ROWS;
constexpr u32 kBlockColumns = BLOCK_COLUMNS;
constexpr u32 kWarpRows = WARP_ROWS;
constexpr u32 kStages = STAGES;
constexpr u32 kWarpColumns = 32;
constexpr u32 kThreads = kBlockRows / kWarpRows * (kBlockColumns / kWarpColumns) * kWarpSize;
constexpr u32 kBlocksPerSm = kThreads == 128 ? 4 : kWarpRows == 32 ? 2 : 1;

using ThisPatch = Patch<Pixel, kChannels, kPatchHeight, kPatchWidth>;
constexpr u32 kStep = 64;    // elements of a row of shared memory
constexpr u32 kRowBytes = kStep * sizeof(Element);
constexpr u32 kSteps = ceil_div(ThisPatch::kElements, kStep);
constexpr u32 kWeightPitch = ceil_div(ThisPatch::kElements, 8u) * 8;
constexpr u32 kGroup = ThisPatch::kBytes ? 8 : 4;
constexpr u32 kGroupsPerRow = kStep / kGroup;
constexpr u32 kRowsPerPass = kThreads / kGroupsPerRow;
constexpr u32 kGroupsPerThread = kBlockRows / kRowsPerPass;
constexpr u32 kRowTiles = kWarpRows / 16;
constexpr u32 kColumnTiles = kWarpColumns / 8;
constexpr u32 kWeightStageBytes = kBlockColumns * kRowBytes;
constexpr u32 kPatchStageBytes = kBlockRows * kRowBytes;
constexpr u32 kOutPitch = 40;

static_assert(kBlockRows % kWarpRows == 0 && kWarpRows % 16 == 0 && kBlockColumns % kWarpColumns == 0 && kStages >= 2);
static_assert(kBlockRows % kRowsPerPass == 0 && kBlockColumns % (kThreads / 8) == 0, "threads load whole tiles");
static_assert(kThreads / kWarpSize * 16 * kOutPitch * sizeof(float) <= kStages * kWeightStageBytes + 2 * kPatchStageBytes);

struct PatchEmbedArgs {
    const Pixel* pixels;           // [batch, channels, height, width], or bytes [batch, height, width, channels]
    const Element* weight;         // [columns, kWeightPitch], the elements of a patch in the order of the pixels, then zeros
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
    u32 chunk = threadIdx.x % 8, element = step * kStep + chunk * 8;
    UNROLL for (u32 i = 0; i < kBlockColumns / (kThreads / 8); i++) {
        u32 row = threadIdx.x / 8 + i * (kThreads / 8), column = first_column + row;
        bool inside = column < args.columns && element < kWeightPitch;
        const Element* source = inside ? args.weight + static_cast<u64>(column) * kWeightPitch + element : args.weight;
        cp_async16(stage + swizzled(row, chunk), source, inside ? 16 : 0);
    }
}

/// The block's patches, a group of elements for each of its threads in each of kGroupsPerThread rows.
struct Gather {
    u32 origins[kGroupsPerThread];
    PixelGroup<Pixel, kGroup> groups[kGroupsPerThread];
};

DEVICE u32 gather_row(u32 i) { return threadIdx.x / kGroupsPerRow + i * kRowsPerPass; }

DEVICE void load_patches(const PatchEmbedArgs& args, Gather& gather, u32 step) {
    u32 element = step * kStep + threadIdx.x % kGroupsPerRow * kGroup;
    UNROLL for (u32 i = 0; i < kGroupsPerThread; i++)
        load_group<ThisPatch, kChannels, kPatchHeight, kPatchWidth>(args.pixels + gather.origins[i], args.grid, element, gather.groups[i]);
}

DEVICE void store_patches(const Gather& gather, u8* stage) {
    u32 element = threadIdx.x % kGroupsPerRow * kGroup;
    UNROLL for (u32 i = 0; i < kGroupsPerThread; i++) {
        u32 words[kGroup / 2];
        UNROLL for (u32 j = 0; j < kGroup / 2; j++)
            words[j] = pack2<Element>(group_value(gather.groups[i], 2 * j), group_value(gather.groups[i], 2 * j + 1));
        u8* to = stage + swizzled(gather_row(i), element / 8) + element % 8 * sizeof(Element);
        if constexpr (kGroup == 8)
            store16(to, {words[0], words[1], words[2], words[3]});
        else
            store8(to, words[0] | static_cast<u64>(words[1]) << 32);
    }
}

/// sums += patches * weights^T for one step, in the order of the elements.
DEVICE void multiply(SharedAddress patches, SharedAddress weights, u32 first_row, u32 first_column, Accumulator (&sums)[kRowTiles][kColumnTiles]) {
    u32 lane = lane_index();
    UNROLL for (u32 k = 0; k < kStep / 16; k++) {
        Words4 a[kRowTiles];
        UNROLL for (u32 i = 0; i < kRowTiles; i++)
            a[i] = load_matrix_x4(patches + swizzled(first_row + 16 * i + lane % 16, 2 * k + lane / 16));
        UNROLL for (u32 j = 0; j < kColumnTiles; j += 2) {
            // Columns 0-7 and 8-15, each with elements 0-7 and 8-15.
            Words4 b = load_matrix_x4(weights + swizzled(first_column + 8 * j + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
            UNROLL for (u32 i = 0; i < kRowTiles; i++) {
                multiply_accumulate<Element>(sums[i][j], a[i], b.x, b.y);
                multiply_accumulate<Element>(sums[i][j + 1], a[i], b.z, b.w);
            }
        }
    }
}

/// 16 patches x 32 channels of a warp: from fragments through shared memory to whole rows, with all that is added.
DEVICE void store_tokens(const PatchEmbedArgs& args, float* scratch, const Accumulator (&sums)[kColumnTiles], u32 first_row, u32 first_column) {
    u32 lane = lane_index();
    warp_sync();
    UNROLL for (u32 j = 0; j < kColumnTiles; j++) {
        UNROLL for (u32 h = 0; h < 2; h++) {
            float pair[2] = {sums[j].c[2 * h], sums[j].c[2 * h + 1]};
            store_floats(scratch + (lane / 4 + 8 * h) * kOutPitch + 8 * j + lane % 4 * 2, pair);
        }
    }
    warp_sync();
    UNROLL for (u32 i = 0; i < 4; i++) {
        u32 row = lane / 8 + 4 * i, patch_row = first_row + row, column = first_column + lane % 8 * 4;
        float values[4];
        load_floats(scratch + row * kOutPitch + lane % 8 * 4, values);
        if (patch_row >= args.grid.rows)
            continue;
        u32 picture = patch_row / args.grid.patches, token = args.class_count + patch_row % args.grid.patches;
        u64 y_row = static_cast<u64>(picture) * (args.class_count + args.grid.patches) + token;
        UNROLL for (u32 j = 0; j < 4; j += kOutVector) {
            if (column + j >= args.columns)
                continue;
            float bias[kOutVector], position[kOutVector], result[kOutVector];
            load_floats(args.bias + column + j, bias);
            load_floats(args.positions + static_cast<u64>(token) * args.columns + column + j, position);
            UNROLL for (u32 v = 0; v < kOutVector; v++) result[v] = values[j + v] + bias[v] + position[v];
            store_floats(args.y + y_row * args.columns + column + j, result);
        }
    }
}

KERNEL(patch_embed, PatchEmbedArgs) {
    SHARED_MEMORY(smem);
    if (blockIdx.x >= args.tiles) {
        write_class_tokens<kOutVector>(args.class_tokens, args.positions, args.y, args.batch, static_cast<u64>(args.class_count) * args.columns,
            static_cast<u64>(args.class_count + args.grid.patches) * args.columns, static_cast<u64>(blockIdx.x - args.tiles) * kThreads + threadIdx.x);
        return;
    }
    SharedAddress weights = shared_address(smem), patches = weights + kStages * kWeightStageBytes;
    u8* patches_smem = smem + kStages * kWeightStageBytes;
    u32 block_row = blockIdx.x / args.column_tiles * kBlockRows, block_column = blockIdx.x % args.column_tiles * kBlockColumns;

    Gather gather;
    // Behind the last patch the last one is read again; its sums go nowhere.
    UNROLL for (u32 i = 0; i < kGroupsPerThread; i++)
        gather.origins[i] = patch_origin<ThisPatch, kChannels, kPatchHeight, kPatchWidth>(
            args.grid, min_of(block_row + gather_row(i), args.grid.rows - 1));
    UNROLL for (u32 step = 0; step < kStages - 1; step++) {
        if (step < kSteps)
            load_weights(args, weights + step * kWeightStageBytes, block_column, step);
        cp_async_commit();
    }
    load_patches(args, gather, 0);
    store_patches(gather, patches_smem);
    if (kSteps > 1)
        load_patches(args, gather, 1);

    constexpr u32 kWarpsAcross = kBlockColumns / kWarpColumns;
    u32 warp_row = warp_index() / kWarpsAcross * kWarpRows, warp_column = warp_index() % kWarpsAcross * kWarpColumns;
    Accumulator sums[kRowTiles][kColumnTiles] = {};
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
        multiply(patches + step % 2 * kPatchStageBytes, weights + step % kStages * kWeightStageBytes, warp_row, warp_column, sums);
    }

    // Only empty groups are left.
    cp_async_wait<0>();
    // The stages become scratch: nobody reads them any more.
    block_sync();
    float* scratch = reinterpret_cast<float*>(smem) + warp_index() * 16 * kOutPitch;
    UNROLL for (u32 i = 0; i < kRowTiles; i++)
        store_tokens(args, scratch, sums[i], block_row + warp_row + 16 * i, block_column + warp_column);
}
