// Conversions of numbers as the GPU rounds: to nearest even.
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../device/emulator.h"

namespace {
unsigned to_bf16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return 0x7FFF;    // the NaN that the GPU writes
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

unsigned to_f16(float value) {
    auto half = static_cast<_Float16>(value);
    uint16_t bits;
    std::memcpy(&bits, &half, sizeof bits);
    return value != value ? 0x7FFF : bits;
}
} // namespace

extern "C" {

unsigned emulator_pack_bf16x2(float low, float high) { return to_bf16(low) | to_bf16(high) << 16; }
unsigned emulator_pack_f16x2(float low, float high) { return to_f16(low) | to_f16(high) << 16; }

float emulator_exp2(float x) {
    float power = std::exp2(x);
    return power < FLT_MIN ? 0.0f : power;
}

} // extern "C"
