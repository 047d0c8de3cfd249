// Rows of one attention head in shared memory: where each 16-byte chunk of a row lies, and how rows of the fused qkv get there.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "memory.cuh"

constexpr u32 power_of_two_in(u32 value, u32 most) {
    u32 power = 1;
    while (power < most && value % (2 * power) == 0)
        power *= 2;
    return power;
}

/// Rows of kHeadDim elements, padded with zeros to a multiple of kMultiple elements in shared memory only: global memory is read exactly
/// kHeadDim wide, by copies as wide as the alignment of its rows allows.
///
/// Chunk c of row r lies at chunk r * kChunks + (c ^ swizzle(r)). Eight lanes that read one chunk of 8 consecutive rows, or 8 consecutive
/// chunks of one row, then meet all 32 banks: r * kChunks takes 8 / g places modulo 8 (g the greatest power of two in kChunks, 8 at most),
/// and the swizzle spreads the g rows that share a place over its g neighbours.
template <typename T, u32 kHeadDim, u32 kMultiple>
struct HeadTile {
    static constexpr u32 kPadded = ceil_div(kHeadDim, kMultiple) * kMultiple;
    static constexpr u32 kRowBytes = kPadded * sizeof(T);
    static constexpr u32 kChunks = kRowBytes / 16;
    static constexpr u32 kSwizzle = power_of_two_in(kChunks, 8);
    static constexpr u32 kHeadBytes = kHeadDim * sizeof(T);
    // What divides a head's row divides every address of it, since all offsets in qkv and context are multiples of the row.
    static constexpr u32 kCopyBytes = power_of_two_in(kHeadBytes, 16);
    // cp.async copies 4 bytes at least; pairs of 16-bit elements with odd addresses go through registers.
    static constexpr u32 kUnitBytes = max_of(kCopyBytes, 4u);
    static constexpr u32 kUnits = kRowBytes / kUnitBytes;
    static_assert(kRowBytes % 16 == 0);
};

/// In bytes, from the first row of a tile. Rows 8 apart have the same swizzle.
template <typename Tile>
DEVICE u32 tile_offset(u32 row, u32 chunk) {
    return row * Tile::kRowBytes + (chunk ^ (row / (8 / Tile::kSwizzle) % Tile::kSwizzle)) * 16;
}

/// Starts copying kRows rows that lie `stride` elements apart, of which the first `valid_rows` exist and the others are zeros, by
/// kThreads threads of which this is number `thread`. `source` points at an existing row, whatever valid_rows is.
template <typename Tile, u32 kRows, u32 kThreads, typename T>
DEVICE void copy_rows(SharedAddress tile, const T* source, u64 stride, u32 valid_rows, u32 thread) {
    UNROLL for (u32 first = 0; first < kRows * Tile::kUnits; first += kThreads) {
        u32 unit = first + thread;
        if (kRows * Tile::kUnits % kThreads != 0 && unit >= kRows * Tile::kUnits)
            break;
        u32 row = unit / Tile::kUnits, byte = unit % Tile::kUnits * Tile::kUnitBytes;
        bool is_there = row < valid_rows && byte < Tile::kHeadBytes;
        SharedAddress to = tile + tile_offset<Tile>(row, byte / 16) + byte % 16;
        const T* from = source + (is_there ? row * stride + byte / sizeof(T) : 0);
        if constexpr (Tile::kCopyBytes == 16) {
            cp_async16(to, from, is_there ? 16 : 0);
        } else if constexpr (Tile::kCopyBytes == 8) {
            cp_async8(to, from, is_there ? 8 : 0);
        } else if constexpr (Tile::kCopyBytes == 4) {
            cp_async4(to, from, is_there ? 4 : 0);
        } else {
            u32 low = is_there ? from[0].bits : 0, high = is_there && byte + 2 < Tile::kHeadBytes ? from[1].bits : 0;
            store_shared4(to, low | high << 16);
        }
    }
}

/// Stores the first `valid_rows` of a tile's kRows rows by the lanes of one warp, the padding left out.
template <typename Tile, u32 kRows, typename T>
DEVICE void store_rows(T* destination, u64 stride, SharedAddress tile, u32 valid_rows) {
    // Lanes take the padding's places too, but store nothing for them: so neighbouring lanes read neighbouring chunks.
    constexpr u32 kUnitsPerRow = Tile::kRowBytes / Tile::kCopyBytes;
    UNROLL for (u32 first = 0; first < kRows * kUnitsPerRow; first += kWarpSize) {
        u32 unit = first + lane_index();
        u32 row = unit / kUnitsPerRow, byte = unit % kUnitsPerRow * Tile::kCopyBytes;
        if (row >= min_of(valid_rows, kRows))
            break;
        if (byte >= Tile::kHeadBytes)
            continue;
        SharedAddress from = tile + tile_offset<Tile>(row, byte / 16) + byte % 16;
        T* to = destination + row * stride + byte / sizeof(T);
        if constexpr (Tile::kCopyBytes == 16)
            store_global16(to, load_shared16(from));
        else if constexpr (Tile::kCopyBytes == 8)
            store8(to, load_shared8(from));
        else if constexpr (Tile::kCopyBytes == 4)
            *reinterpret_cast<u32*>(to) = load_shared4(from);
        else
            to->bits = static_cast<u16>(load_shared4(from - byte % 4) >> 8 * (byte % 4));
    }
}
