// Rows of one attention head in shared memory as tensor maps bring them for wgmma: panels of 64 columns, and one of 16 or 32 for what is left
// (80 = 64 + 16, 96 = 64 + 32), each swizzled by its own row of 128, 64 or 32 bytes, so that no column is padded.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "memory.cuh"
#include "tensor_copy.cuh"
#include "wgmma.cuh"

template <typename T, u32 kHeadDim>
struct HeadPanels {
    static constexpr u32 kWide = kHeadDim / 64;          // panels of 64 columns
    static constexpr u32 kNarrow = kHeadDim % 64;        // columns of the last panel, where there is one
    static constexpr u32 kWideSpan = 128, kNarrowSpan = kNarrow * sizeof(T);    // bytes of a panel's row
    static constexpr u32 kRowBytes = kHeadDim * sizeof(T);
    /// From one tile of so many rows to the next: the pattern of a swizzle repeats every 1 KB, counted from address 0.
    static constexpr u32 tile_bytes(u32 rows) { return ceil_div(rows * kRowBytes, 1024u) * 1024; }
    /// Where a row of a tile of `rows` rows begins in a panel.
    static constexpr u32 wide_place(u32 rows, u32 panel, u32 row) { return (panel * rows + row) * kWideSpan; }
    static constexpr u32 narrow_place(u32 rows, u32 row) { return kWide * rows * kWideSpan + row * kNarrowSpan; }
    static_assert(kNarrow == 0 || kNarrow == 16 || kNarrow == 32, "a panel's row is 32, 64 or 128 bytes");
};

/// The two tensor maps of a matrix of heads: boxes of 64 columns, and of what is left.
struct PanelMaps {
    TensorMap wide, narrow;
};

/// Where a byte of a row lies in a panel, whose rows are kSpan bytes and whose first one lies at a multiple of 8 kSpan.
template <u32 kSpan>
DEVICE u32 panel_offset(u32 row, u32 byte) {
    u32 offset = row * kSpan + byte;
    return offset ^ ((offset >> 7 & (kSpan / 16 - 1)) << 4);
}

/// Starts bringing kRows rows of a head, by boxes of kBoxRows: the panels follow each other from `tile` on. Rows behind the last one come as
/// zeros. One thread calls it.
template <typename T, u32 kHeadDim, u32 kRows, u32 kBoxRows>
DEVICE void load_panels(SharedAddress tile, const PanelMaps& maps, u32 column, u32 row, u32 picture, SharedAddress barrier) {
    using Panels = HeadPanels<T, kHeadDim>;
    UNROLL for (u32 first = 0; first < kRows; first += kBoxRows) {
        UNROLL for (u32 panel = 0; panel < Panels::kWide; panel++)
            tensor_load(tile + Panels::wide_place(kRows, panel, first), maps.wide, column + 64 * panel, row + first, picture, barrier);
        if constexpr (Panels::kNarrow != 0)
            tensor_load(tile + Panels::narrow_place(kRows, first), maps.narrow, column + 64 * Panels::kWide, row + first, picture, barrier);
    }
}

/// Starts storing a box of rows of a head from row `first` of a tile of kRows rows on, those behind the last one of the picture left out. One
/// thread calls it.
template <typename T, u32 kHeadDim, u32 kRows>
DEVICE void store_panels(const PanelMaps& maps, u32 column, u32 row, u32 picture, SharedAddress tile, u32 first) {
    using Panels = HeadPanels<T, kHeadDim>;
    UNROLL for (u32 panel = 0; panel < Panels::kWide; panel++)
        tensor_store(maps.wide, column + 64 * panel, row, picture, tile + Panels::wide_place(kRows, panel, first));
    if constexpr (Panels::kNarrow != 0)
        tensor_store(maps.narrow, column + 64 * Panels::kWide, row, picture, tile + Panels::narrow_place(kRows, first));
}
