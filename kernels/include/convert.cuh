// Numbers: bfloat16 and float16 as bits, and their conversions. Rounding is to nearest even everywhere.
#pragma once

#include "device.cuh"

struct bf16 {
    u16 bits;
};

struct f16 {
    u16 bits;
};

using f32 = float;

template <typename A, typename B>
constexpr bool kSame = false;
template <typename A>
constexpr bool kSame<A, A> = true;

DEVICE float as_float(u32 bits) { PTX(return __uint_as_float(bits), return __builtin_bit_cast(float, bits)); }
DEVICE u32 as_bits(float value) { PTX(return __float_as_uint(value), return __builtin_bit_cast(u32, value)); }

DEVICE float to_float(f32 value) { return value; }
DEVICE float to_float(bf16 value) { return as_float(static_cast<u32>(value.bits) << 16); }
DEVICE float to_float(f16 value) {
    float result;
    PTX(asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits)), result = static_cast<float>(__builtin_bit_cast(_Float16, value.bits)));
    return result;
}

/// Two numbers in one word, the first in the low half.
template <typename T>
DEVICE u32 pack2(float low, float high) {
    u32 packed;
    if constexpr (kSame<T, bf16>) {
        PTX(asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low)), packed = emulator_pack_bf16x2(low, high));
    } else {
        static_assert(kSame<T, f16>);
        PTX(asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low)), packed = emulator_pack_f16x2(low, high));
    }
    return packed;
}

struct Floats2 {
    float low, high;
};

template <typename T>
DEVICE Floats2 unpack2(u32 packed) {
    if constexpr (kSame<T, bf16>)
        return {as_float(packed << 16), as_float(packed & 0xFFFF0000u)};
    else
        return {to_float(T{static_cast<u16>(packed)}), to_float(T{static_cast<u16>(packed >> 16)})};
}

template <typename T>
DEVICE T from_float(float value) {
    if constexpr (kSame<T, f32>)
        return value;
    else
        return T{static_cast<u16>(pack2<T>(value, 0.0f))};
}
