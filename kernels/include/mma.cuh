// Tensor cores of sm_80 and later: fragments from shared memory, and products of them.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "memory.cuh"

/// Four 8 x 8 tiles of 16-bit elements. Lane l gives the address of row l % 8 of tile l / 8 (16 bytes, aligned); word i of lane l holds row
/// l / 4, columns 2 (l % 4) and 2 (l % 4) + 1 of tile i.
DEVICE Words4 load_matrix_x4(SharedAddress row) {
    Words4 tiles;
    PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(tiles.x), "=r"(tiles.y), "=r"(tiles.z), "=r"(tiles.w) : "r"(row) : "memory"),
        tiles = __builtin_bit_cast(Words4, emulator_ldmatrix_x4(row, false)));
    return tiles;
}

/// As load_matrix_x4, each tile transposed: word i holds rows 2 (l % 4) and 2 (l % 4) + 1 of column l / 4.
DEVICE Words4 load_matrix_x4_transposed(SharedAddress row) {
    Words4 tiles;
    PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(tiles.x), "=r"(tiles.y), "=r"(tiles.z), "=r"(tiles.w) : "r"(row) : "memory"),
        tiles = __builtin_bit_cast(Words4, emulator_ldmatrix_x4(row, true)));
    return tiles;
}

/// What a lane holds of a 16 x 8 accumulator: rows l / 4 and l / 4 + 8, columns 2 (l % 4) and 2 (l % 4) + 1.
struct Accumulator {
    float c[4];
};

/// d += a b for a 16 x 16 tile a (row-major fragments) and a 16 x 8 tile b (column-major fragments), summed in float32.
template <typename T>
DEVICE void multiply_accumulate(Accumulator& d, Words4 a, u32 b0, u32 b1) {
#ifdef PIXIO_EMULATED
    EmulatedFloats4 c = {d.c[0], d.c[1], d.c[2], d.c[3]};
    EmulatedWords4 words = __builtin_bit_cast(EmulatedWords4, a);
    c = kSame<T, bf16> ? emulator_mma_m16n8k16_bf16(words, b0, b1, c) : emulator_mma_m16n8k16_f16(words, b0, b1, c);
    d.c[0] = c.x, d.c[1] = c.y, d.c[2] = c.z, d.c[3] = c.w;
#else
    if constexpr (kSame<T, bf16>) {
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d.c[0]), "+f"(d.c[1]), "+f"(d.c[2]), "+f"(d.c[3]) : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
    } else {
        static_assert(kSame<T, f16>);
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d.c[0]), "+f"(d.c[1]), "+f"(d.c[2]), "+f"(d.c[3]) : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
    }
#endif
}
