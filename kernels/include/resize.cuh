// Pillow's fixed-point arithmetic for resizing bytes.
#pragma once

#include "device.cuh"

/// Fraction bits of a weight: 8 bits of pixel and 2 of headroom fill the rest of 32.
constexpr u32 kFractionBits = 32 - 8 - 2;

/// What sums begin with, so that the shift rounds.
constexpr i32 kHalf = 1 << (kFractionBits - 1);

DEVICE u8 clip_to_byte(i32 sum) {
    i32 value = sum >> kFractionBits;
    return static_cast<u8>(min_of(max_of(value, 0), 255));
}
