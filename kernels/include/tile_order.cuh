// Which tile of a matrix product comes when.
#pragma once

#include "device.cuh"

struct TileOrigin {
    u32 row, column;
};

/// Tile number `tile` of rows x columns, in tiles: bands of tile rows one after the other, each column by column.
DEVICE TileOrigin banded_tile(u32 tile, u32 rows, u32 columns, u32 band) {
    u32 first_row = tile / (band * columns) * band, within = tile % (band * columns);
    u32 band_rows = min_of(band, rows - first_row);
    return {first_row + within % band_rows, within / band_rows};
}

/// The first element of the tile of this block.
template <u32 kBlockM, u32 kBlockN>
DEVICE TileOrigin tile_of_block(u32 m, u32 n, u32 band) {
    TileOrigin tile = banded_tile(blockIdx.x, ceil_div(m, kBlockM), ceil_div(n, kBlockN), band);
    return {tile.row * kBlockM, tile.column * kBlockN};
}
