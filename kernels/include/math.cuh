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
