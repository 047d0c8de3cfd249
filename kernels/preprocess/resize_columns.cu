// The vertical pass of Pillow's bicubic resize: [rows, pitch] bytes -> [size, width, 3] bytes, or normalised float32 [3, size, width].
//
// Formula     byte = clip((half + sum over k of rows[first[y] + k] * weights[y][k]) >> 22): integers, bit for bit Pillow's.
//             value = (float32(byte * factor) - mean) / deviation, the product in double precision and rounded once, as transformers has it.
// Mapping     a block of 3 warps has 128 pixels of one row of the result, a thread 4 neighbouring bytes of them.
// Shared      384 bytes where the result is planes: a thread's bytes are of mixed channels, and warp c writes channel c.
// Roofline    bound by memory, most of it the second-level cache's: every row is read about 4 times. Reached: not yet measured on a GPU.
#include "math.cuh"
#include "memory.cuh"
#include "resize.cuh"
#include "sync.cuh"

using Output = OUTPUT;

constexpr bool kPlanes = kSame<Output, f32>;
constexpr u32 kThreads = 96;
constexpr u32 kBlocksPerSm = 8;
constexpr u32 kPixels = 128;

static_assert(kSame<Output, u8> || kPlanes);
static_assert(kThreads * 4 == kPixels * 3 && kThreads == 3 * kWarpSize);

struct ResizeColumnsArgs {
    const u8* rows;         // [.., pitch]: the first is the axis' row input_start
    const i32* first;       // [size]: the first row that a row of the result takes
    const i32* count;       // [size]: how many
    const i32* weights;     // [size, weight_stride]
    Output* output;         // [size, width, 3], or [3, size, width]
    double factor;
    float mean[3];
    float deviation[3];
    u32 input_start;
    u32 pitch;              // bytes, a multiple of 4 that holds 3 * width
    u32 width;
    u32 size;
    u32 weight_stride;
};

KERNEL(resize_columns, ResizeColumnsArgs) {
    SHARED_MEMORY(smem);
    u32 y = blockIdx.y, first_pixel = blockIdx.x * kPixels;
    u32 byte = first_pixel * 3 + threadIdx.x * 4;
    i32 sums[4] = {kHalf, kHalf, kHalf, kHalf};
    if (byte < args.pitch) {
        const u8* from = args.rows + static_cast<u64>(args.first[y] - args.input_start) * args.pitch + byte;
        const i32* weights = args.weights + static_cast<u64>(y) * args.weight_stride;
        u32 count = args.count[y];
        for (u32 k = 0; k < count; k++, from += args.pitch) {
            u32 word = *reinterpret_cast<const u32*>(from);
            i32 weight = weights[k];
            UNROLL for (u32 i = 0; i < 4; i++) sums[i] += static_cast<i32>(word >> (8 * i) & 0xFF) * weight;
        }
    }
    u32 word = 0;
    UNROLL for (u32 i = 0; i < 4; i++) word |= static_cast<u32>(clip_to_byte(sums[i])) << (8 * i);

    if constexpr (!kPlanes) {
        u32 row_bytes = args.width * 3;
        u8* to = reinterpret_cast<u8*>(args.output) + static_cast<u64>(y) * row_bytes + byte;
        if (row_bytes % 4 == 0) {
            if (byte < row_bytes)
                *reinterpret_cast<u32*>(to) = word;
        } else {
            for (u32 i = 0; i < 4 && byte + i < row_bytes; i++) to[i] = static_cast<u8>(word >> (8 * i));
        }
    } else {
        reinterpret_cast<u32*>(smem)[threadIdx.x] = word;
        block_sync();
        u32 channel = warp_index();
        f32* plane = reinterpret_cast<f32*>(args.output) + (static_cast<u64>(channel) * args.size + y) * args.width;
        for (u32 pixel = lane_index(); pixel < kPixels && first_pixel + pixel < args.width; pixel += kWarpSize) {
            float scaled = static_cast<float>(smem[3 * pixel + channel] * args.factor);
            plane[first_pixel + pixel] = divide(scaled - args.mean[channel], args.deviation[channel]);
        }
    }
}
