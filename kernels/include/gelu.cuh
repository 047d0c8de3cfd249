// GELU by the error function: x Phi(x), Phi the cumulative normal distribution. With q = Phi(-|x|) it is x q for x < 0 and x - x q else:
// nothing cancels, where 1 + erf(x / sqrt 2) has no digits left below -5.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "math.cuh"

/// For results that are rounded to bf16 or f16: relative error 2.6e-5 of q, so that the rounded result is within 1 unit in the last place.
/// q = 2^(a P(a) - 1), P the minimax polynomial of (log2(Phi(-a)) + 1) / a on [0, 13.5] (where q leaves the normal numbers), by absolute
/// error of the exponent: 3.7e-5.
DEVICE float gelu_half(float x) {
    float magnitude = as_float(as_bits(x) & 0x7FFFFFFFu);
    float a = magnitude < 16.0f ? magnitude : 16.0f;    // q is 0 from 13.2 on, and infinity times that must not become NaN
    float p = -1.81418680737e-9f;
    p = fused_multiply_add(p, a, 1.34306894565e-7f);
    p = fused_multiply_add(p, a, -4.36571652932e-6f);
    p = fused_multiply_add(p, a, 8.24519673269e-5f);
    p = fused_multiply_add(p, a, -1.01276972879e-3f);
    p = fused_multiply_add(p, a, 8.6361908668e-3f);
    p = fused_multiply_add(p, a, -5.3901193978e-2f);
    p = fused_multiply_add(p, a, -4.58812565824e-1f);
    p = fused_multiply_add(p, a, -1.15102847615f);
    float q = exp2_approx(fused_multiply_add(p, a, -1.0f));
    return x < 0 ? x * q : fused_multiply_add(-a, q, x);
}

/// For float32 results: a few units in the last place; results below the normal numbers may be 0.
/// q = h(t) e^(-a^2 / 2) / (1 + a) with t = (a - 4) / (a + 4), h the minimax polynomial of (1 + a) e^(a^2 / 2) Phi(-a) by relative error
/// (1.7e-9). The square's rounding error is carried along: e^(-s) with s = 80 would turn half a unit of it into 40 of the result.
DEVICE float gelu_f32(float x) {
    float magnitude = as_float(as_bits(x) & 0x7FFFFFFFu);
    float a = magnitude < 16.0f ? magnitude : 16.0f;    // q is 0 from 13.2 on, and infinity times that must not become NaN
    float t = (a - 4.0f) / (a + 4.0f);
    float h = -7.16885141516e-5f;
    h = fused_multiply_add(h, t, -6.07638765571e-5f);
    h = fused_multiply_add(h, t, 6.92719844848e-4f);
    h = fused_multiply_add(h, t, -3.03697839162e-4f);
    h = fused_multiply_add(h, t, -5.00429140302e-3f);
    h = fused_multiply_add(h, t, 1.79402097386e-2f);
    h = fused_multiply_add(h, t, -3.2197285264e-2f);
    h = fused_multiply_add(h, t, 2.85999781189e-2f);
    h = fused_multiply_add(h, t, 1.39995969676e-2f);
    h = fused_multiply_add(h, t, -9.67034668197e-2f);
    h = fused_multiply_add(h, t, 4.72053206851e-1f);
    float square = a * a, rest = fused_multiply_add(a, a, -square);
    float power = exp_of_negative(-0.5f * square);
    power = fused_multiply_add(power, -0.5f * rest, power);
    // The power comes last: q itself leaves the normal numbers before x q does.
    h = h / (1.0f + a);
    return x < 0 ? x * h * power : fused_multiply_add(-a * h, power, x);
}

/// For a result of type T.
template <typename T>
DEVICE float gelu(float x) {
    if constexpr (kSame<T, f32>)
        return gelu_f32(x);
    else
        return gelu_half(x);
}
