// Slices of the rows of a matrix on their way to shared memory: what the portable matrix products share.
#pragma once

#include "device.cuh"
#include "epilogue.cuh"
#include "memory.cuh"
#include "tile_order.cuh"

/// Bytes from a slice's beginning to a byte of a row. Chunks of 16 bytes are XORed with the row's number over kSwizzleRows, so that lanes
/// which go at once find the same chunk of rows kSwizzleRows apart in different banks.
template <u32 kRowBytes, u32 kSwizzleRows>
DEVICE u32 swizzled(u32 row, u32 byte) {
    return row * kRowBytes + (byte ^ (row / kSwizzleRows % (kRowBytes / 16) * 16));
}

/// kBytes from global to shared memory, or zeros; the pointer is one into an allocation in either case. 2 bytes go at once, more by cp.async.
template <u32 kBytes>
DEVICE void copy_unit(SharedAddress to, const u8* from, bool inside) {
    if constexpr (kBytes == 16)
        cp_async16(to, from, inside ? 16 : 0);
    else if constexpr (kBytes == 8)
        cp_async8(to, from, inside ? 8 : 0);
    else if constexpr (kBytes == 4)
        cp_async4(to, from, inside ? 4 : 0);
    else
        store_shared2(to, inside ? *reinterpret_cast<const u16*>(from) : static_cast<u16>(0));
}

/// A thread's part of the slices, kSliceBytes wide, of kRows rows of a matrix: one unit of kCopyBytes of every kRowsPerPass-th row. Rows behind
/// the last one are copies of it, whose products nobody stores; columns behind the last one are zeros.
template <typename T, u32 kRows, u32 kSliceBytes, u32 kSwizzleRows, u32 kCopyBytes, u32 kThreads, bool kGrouped>
struct Panel {
    static constexpr u32 kUnitsPerRow = kSliceBytes / kCopyBytes;
    static constexpr u32 kRowsPerPass = kThreads / kUnitsPerRow;
    static constexpr u32 kPasses = kRows / kRowsPerPass;
    static_assert(kThreads % kUnitsPerRow == 0 && kRows % kRowsPerPass == 0 && kCopyBytes >= sizeof(T));

    const u8* source;          // the thread's unit of the panel's first row, in the next slice
    u32 row_bytes[kPasses];    // from there to the row of each pass

    DEVICE_MEMBER Panel(const T* matrix, const Rows& rows, u32 first_row, u32 row_end) {
        u64 first = row_offset<kGrouped>(rows, first_row);
        source = reinterpret_cast<const u8*>(matrix + first) + threadIdx.x % kUnitsPerRow * kCopyBytes;
        UNROLL for (u32 pass = 0; pass < kPasses; pass++) {
            u32 row = min_of(first_row + threadIdx.x / kUnitsPerRow + pass * kRowsPerPass, row_end - 1);
            row_bytes[pass] = static_cast<u32>((row_offset<kGrouped>(rows, row) - first) * sizeof(T));
        }
    }

    /// Copies slice number `slice` of rows of `columns` elements; slices are asked for in order.
    DEVICE_MEMBER void copy(SharedAddress panel, u32 slice, u32 columns) {
        u32 row = threadIdx.x / kUnitsPerRow, unit_byte = threadIdx.x % kUnitsPerRow * kCopyBytes;
        u32 byte = slice * kSliceBytes + unit_byte;
        bool inside = byte < columns * static_cast<u32>(sizeof(T));
        // Nothing is read behind the last column, but the pointer has to be one into the matrix.
        const u8* from = source - (inside ? 0 : byte);
        UNROLL for (u32 pass = 0; pass < kPasses; pass++)
            copy_unit<kCopyBytes>(panel + swizzled<kSliceBytes, kSwizzleRows>(row + pass * kRowsPerPass, unit_byte), from + row_bytes[pass], inside);
        source += kSliceBytes;
    }
};
