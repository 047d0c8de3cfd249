// What the emulated driver writes into a CUtensorMap, and tensor copies read there.
#pragma once

#include <cstdint>

namespace emulator {

struct EncodedTensorMap {
    static constexpr uint64_t kMagic = 0x70616D5F544D5045u;
    static constexpr unsigned kMaxRank = 5;

    uint64_t magic, address;
    uint64_t dims[5], strides[4];
    uint16_t box[5], steps[5];
    uint8_t type, rank, swizzle, promotion, interleave, fills_with_nan, element_bytes;
    uint8_t padding[13];

    /// Bytes of a row of the box, and the rows that it has.
    unsigned row_bytes() const { return box[0] * element_bytes; }
    unsigned rows() const {
        unsigned count = 1;
        for (unsigned d = 1; d < rank; d++)
            count *= box[d];
        return count;
    }
    /// The swizzle as the bits of bits 7 to 9 of an address that are XORed into bits 4 to 6.
    unsigned swizzle_mask() const { return (1u << swizzle) - 1; }
};
static_assert(sizeof(EncodedTensorMap) <= 128);

/// Where 16 bytes at a shared address lie when their tile is swizzled.
constexpr unsigned swizzled(unsigned address, unsigned mask) { return address ^ ((address >> 7 & mask) << 4); }

} // namespace emulator
