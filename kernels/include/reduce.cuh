// Sums and maxima over lanes, always in the same order: the same numbers give the same bits.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "sync.cuh"

/// The sum over kLanes neighbouring lanes, a power of two; every one of them gets it.
template <u32 kLanes = kWarpSize>
DEVICE float lanes_sum(float value) {
    UNROLL for (u32 mask = kLanes / 2; mask > 0; mask /= 2) value += as_float(shuffle_xor(as_bits(value), mask));
    return value;
}

template <u32 kLanes = kWarpSize>
DEVICE float lanes_max(float value) {
    UNROLL for (u32 mask = kLanes / 2; mask > 0; mask /= 2) {
        float other = as_float(shuffle_xor(as_bits(value), mask));
        value = other > value ? other : value;
    }
    return value;
}
