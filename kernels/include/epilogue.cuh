// What happens to a sum of products on its way out: + bias, GELU, + residual, and one rounding.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "gelu.cuh"
#include "memory.cuh"

/// Chosen when a kernel is compiled; kGelu is what is left of kBiasGelu where the bias is in the sums already.
enum class Epilogue { kNone, kBias, kBiasGelu, kBiasResidual, kGelu };

/// Where the rows of a matrix lie, in elements: row r begins at r / group * group_pitch + r % group * pitch. Groups are the images of a batch
/// of which some tokens are meant; kernels that are compiled without groups take the pitch alone.
struct Rows {
    u64 group_pitch;
    u32 group;
    u32 pitch;
};

template <bool kGrouped>
DEVICE u64 row_offset(const Rows& rows, u32 row) {
    if constexpr (kGrouped)
        return row / rows.group * rows.group_pitch + static_cast<u64>(row % rows.group) * rows.pitch;
    else
        return static_cast<u64>(row) * rows.pitch;
}

/// kCount neighbouring sums of one row become results. `bias` and `residual` are read only where the choice names them.
template <Epilogue kEpilogue, typename Output, u32 kCount>
DEVICE void finish(float (&sums)[kCount], const float (&bias)[kCount], const float (&residual)[kCount]) {
    UNROLL for (u32 i = 0; i < kCount; i++) {
        if constexpr (kEpilogue != Epilogue::kNone && kEpilogue != Epilogue::kGelu)
            sums[i] += bias[i];
        if constexpr (kEpilogue == Epilogue::kBiasGelu || kEpilogue == Epilogue::kGelu)
            sums[i] = gelu<Output>(sums[i]);
        if constexpr (kEpilogue == Epilogue::kBiasResidual)
            sums[i] += residual[i];
    }
}
