// The operands of wgmma in shared memory, as their descriptors say (PTX ISA, matrix descriptor format).
#pragma once

#include <cstdint>

#include "tensor_map.h"

namespace emulator {

/// Chunks of 16 bytes: 8 elements along K, or along M or N where that is what lies together.
struct MatrixOperand {
    unsigned start, leading, stride, span;    // bytes; span 0 is no swizzle
    bool mn_major;

    /// False where a field has what the emulator does not know.
    static bool decode(uint64_t descriptor, bool mn_major, MatrixOperand& operand) {
        constexpr uint64_t kFields = 0xC0003FFF3FFF3FFFu;
        constexpr unsigned kSpans[] = {0, 128, 64, 32};
        auto field = [&](unsigned bit) { return static_cast<unsigned>(descriptor >> bit & 0x3FFF) << 4; };
        operand = {field(0), field(16), field(32), kSpans[descriptor >> 62], mn_major};
        // The pattern repeats after 8 rows: a tile that begins elsewhere would need a base offset.
        unsigned pattern = operand.span * 8;
        return !(descriptor & ~kFields) && (!pattern || operand.start % pattern < operand.span);
    }

    /// The shared address, below 2^18, of the chunk that holds element (mn, k).
    unsigned address(unsigned mn, unsigned k) const {
        if (mn_major) {
            if (!span)
                return start + mn / 8 * stride + k % 8 * 16 + k / 8 * leading;
            unsigned wide = span / 2;
            return swizzle(start + 2 * (mn % wide) + mn / wide * leading + k % 8 * span + k / 8 * stride);
        }
        if (!span)
            return start + mn % 8 * 16 + mn / 8 * stride + k / 8 * leading;
        return swizzle(start + mn % 8 * span + mn / 8 * stride + 2 * k);
    }

  private:
    unsigned swizzle(unsigned at) const { return swizzled(at, span / 16 - 1); }
};

} // namespace emulator
