// Elementary functions.
#pragma once

#include "convert.cuh"
#include "device.cuh"

/// a * b + c, rounded once.
DEVICE float fused_multiply_add(float a, float b, float c) { PTX(return __fmaf_rn(a, b, c), return __builtin_fmaf(a, b, c)); }

/// 1 / sqrt(x), rounded to nearest.
DEVICE float reciprocal_sqrt(float x) { PTX(return __frsqrt_rn(x), return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(x)))); }

/// a / b, rounded to nearest.
DEVICE float divide(float a, float b) { PTX(return __fdiv_rn(a, b), return a / b); }

/// The largest whole number that is not above x.
DEVICE float round_down(float x) { PTX(return floorf(x), return __builtin_floorf(x)); }

DEVICE float minus_infinity() { return as_float(0xFF800000u); }

/// The larger of two numbers; where one is NaN, the other.
DEVICE float max_float(float a, float b) { PTX(return fmaxf(a, b), return a > b || b != b ? a : b); }

/// 2^x to 2 units in the last place, 0 where that is no normal number; 2^-infinity is 0.
DEVICE float exp2_approx(float x) {
    float result;
    PTX(asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x)), result = emulator_exp2(x));
    return result;
}

/// e^x for x <= 0 to about 1 unit in the last place, 0 where that is no normal number; e^-infinity is 0.
DEVICE float exp_of_negative(float x) {
    // x = n ln 2 + r with |r| <= ln(2) / 2, n the nearest integer: what is left in the low bits of a sum with 1.5 * 2^23.
    constexpr float kRound = 12582912.0f, kLog2E = 1.44269504f;
    // ln 2 in two parts, of which the first has so few digits that n times it is exact.
    constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
    float clamped = max_float(x, -87.5f);
    float shifted = fused_multiply_add(clamped, kLog2E, kRound);
    float n = shifted - kRound;
    float r = fused_multiply_add(n, -kLn2Low, fused_multiply_add(n, -kLn2High, clamped));
    // The Taylor series; what is left out is below 0.1 units in the last place.
    float series = 1.0f / 5040;
    series = fused_multiply_add(series, r, 1.0f / 720);
    series = fused_multiply_add(series, r, 1.0f / 120);
    series = fused_multiply_add(series, r, 1.0f / 24);
    series = fused_multiply_add(series, r, 1.0f / 6);
    series = fused_multiply_add(series, r, 0.5f);
    series = fused_multiply_add(series, r, 1.0f);
    series = fused_multiply_add(series, r, 1.0f);
    // The exponent grows by n: from -126 on, where e^x is at least the smallest normal number.
    float result = as_float(as_bits(series) + (as_bits(shifted) << 23));
    return x < -87.0f ? 0.0f : result;
}
