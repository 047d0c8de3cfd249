// The horizontal pass of Pillow's bicubic resize: [height, width, 3] bytes -> [row_count, pitch] bytes, `size` pixels in each row.
//
// Formula     byte = clip((half + sum over k of source[first[x] + k] * weights[x][k]) >> 22): integers, bit for bit Pillow's. Integer sums
//             do not depend on their order, so that a wide support can be taken in pieces.
// Mapping     32 rows and 32 columns of the result to a block of 8 warps. A lane is a row: all lanes of a warp then want the same bytes of
//             their rows and the same weights, whatever the scale. Warp w has columns w, w + 8, w + 16, w + 24.
// Shared      [32][193] words: up to 256 pixels of each row, brought to begin at a word; 193 is odd, so that the rows' words lie in
//             different banks. Behind it [32][25] words of result, on its way from a row in each lane to whole words along the rows.
// Roofline    bound by memory: the used part of each row is read once for each 32 columns of the result, and 31 of 32 words of an access
//             are new. About 6 integer operations for each weight and row. Reached: not yet measured on a GPU.
#include "memory.cuh"
#include "resize.cuh"
#include "sync.cuh"

constexpr u32 kThreads = 256;
constexpr u32 kBlocksPerSm = 4;
constexpr u32 kWarps = kThreads / kWarpSize;
constexpr u32 kRows = 32, kColumns = 32;
constexpr u32 kColumnsPerWarp = kColumns / kWarps;
constexpr u32 kChunkPixels = 256;
constexpr u32 kChunkPitch = kChunkPixels * 3 / 4 + 1;    // words
constexpr u32 kResultWords = kColumns * 3 / 4;
constexpr u32 kResultPitch = kResultWords + 1;

static_assert(kChunkPitch % 2 == 1 && kResultPitch % 2 == 1, "rows in different banks");

struct ResizeRowsArgs {
    const u8* source;       // [height, width, 3], of which rows from first_row on are used
    const i32* first;       // [size]: the first pixel that a column takes
    const i32* count;       // [size]: how many
    const i32* weights;     // [size, weight_stride]
    u8* rows;               // [row_count, pitch]
    u64 source_bytes;       // of all of source
    u32 width;
    u32 first_row;
    u32 row_count;
    u32 size;
    u32 weight_stride;
    u32 pitch;              // bytes, a multiple of 4 that holds 3 * size
};

/// A word of the source at a multiple of 4; what lies behind its end is 0.
DEVICE u32 source_word(const ResizeRowsArgs& args, u64 byte) {
    if (byte + 4 <= args.source_bytes)
        return *reinterpret_cast<const u32*>(args.source + byte);
    u32 word = 0;
    for (u32 i = 0; byte + i < args.source_bytes; i++) word |= static_cast<u32>(args.source[byte + i]) << (8 * i);
    return word;
}

/// Brings pixels [pixel, pixel + pixels) of a source row into a row of shared memory. Called by a whole warp.
DEVICE void load_row(const ResizeRowsArgs& args, u32 row, u32 pixel, u32 pixels, u32* chunk_row) {
    u64 start = (static_cast<u64>(args.first_row + row) * args.width + pixel) * 3;
    u32 shift = static_cast<u32>(start % 4) * 8, words = ceil_div(pixels * 3, 4u);
    // The last lane's word is only there for its neighbour's upper part.
    for (u32 base = 0; base < words; base += kWarpSize - 1) {
        u32 index = base + lane_index();
        u32 low = index <= words ? source_word(args, start - start % 4 + 4ull * index) : 0;
        u32 high = shuffle(low, (lane_index() + 1) % kWarpSize);
        if (lane_index() < kWarpSize - 1 && index < words)
            chunk_row[index] = static_cast<u32>((static_cast<u64>(high) << 32 | low) >> shift);
    }
}

KERNEL(resize_rows, ResizeRowsArgs) {
    SHARED_MEMORY(smem);
    u32* const chunk = reinterpret_cast<u32*>(smem);                   // [kRows][kChunkPitch]
    u32* const result = chunk + kRows * kChunkPitch;                   // [kRows][kResultPitch]
    u32 first_column = blockIdx.x * kColumns, first_row = blockIdx.y * kRows;
    u32 columns = min_of(kColumns, args.size - first_column), rows = min_of(kRows, args.row_count - first_row);
    u32 begin = args.first[first_column];
    u32 end = args.first[first_column + columns - 1] + args.count[first_column + columns - 1];

    i32 sums[kColumnsPerWarp][3];
    UNROLL for (u32 i = 0; i < kColumnsPerWarp; i++) sums[i][0] = sums[i][1] = sums[i][2] = kHalf;

    for (u32 pixel = begin; pixel < end; pixel += kChunkPixels) {
        u32 pixels = min_of(kChunkPixels, end - pixel);
        block_sync();
        for (u32 row = warp_index(); row < rows; row += kWarps) load_row(args, first_row + row, pixel, pixels, chunk + row * kChunkPitch);
        block_sync();
        if (lane_index() >= rows)
            continue;
        const u8* mine = reinterpret_cast<const u8*>(chunk + lane_index() * kChunkPitch);
        UNROLL for (u32 i = 0; i < kColumnsPerWarp; i++) {
            u32 column = first_column + warp_index() + i * kWarps;
            if (column >= args.size)
                continue;
            u32 first = args.first[column], from = max_of(first, pixel), to = min_of(first + args.count[column], pixel + pixels);
            const i32* weights = args.weights + static_cast<u64>(column) * args.weight_stride;
            for (u32 k = from; k < to; k++) {
                const u8* rgb = mine + 3 * (k - pixel);
                i32 weight = weights[k - first];
                sums[i][0] += rgb[0] * weight, sums[i][1] += rgb[1] * weight, sums[i][2] += rgb[2] * weight;
            }
        }
    }

    u8* bytes = reinterpret_cast<u8*>(result + lane_index() * kResultPitch);
    UNROLL for (u32 i = 0; i < kColumnsPerWarp; i++) {
        UNROLL for (u32 channel = 0; channel < 3; channel++) bytes[3 * (warp_index() + i * kWarps) + channel] = clip_to_byte(sums[i][channel]);
    }
    block_sync();
    u32 words = min_of(kResultWords, (args.pitch - 3 * first_column) / 4);
    for (u32 row = warp_index(); row < rows; row += kWarps) {
        u32* to = reinterpret_cast<u32*>(args.rows + static_cast<u64>(first_row + row) * args.pitch + 3 * first_column);
        if (lane_index() < words)
            to[lane_index()] = result[row * kResultPitch + lane_index()];
    }
}
