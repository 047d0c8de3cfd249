// bfloat16 and float16 pairs as floats.
#pragma once

#include <cstdint>
#include <cstring>

namespace emulator {

inline float bits_to_float(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

struct Bf16 {
    static float widen(uint16_t bits) { return bits_to_float(uint32_t{bits} << 16); }
    static float low(uint32_t pair) { return bits_to_float(pair << 16); }
    static float high(uint32_t pair) { return bits_to_float(pair & 0xFFFF0000u); }
};

struct F16 {
    static float widen(uint16_t bits) {
        _Float16 value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    static float low(uint32_t pair) { return widen(static_cast<uint16_t>(pair)); }
    static float high(uint32_t pair) { return widen(static_cast<uint16_t>(pair >> 16)); }
};

} // namespace emulator
