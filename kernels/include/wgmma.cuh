// Products of a warpgroup on tensor cores (sm_90a): 64 x kColumns sums in registers, operands of 16 along K from shared memory or
// registers.
#pragma once

#include "convert.cuh"
#include "device.cuh"
#include "memory.cuh"
#include "wgmma_shapes.cuh"

/// How rows of shared memory are swizzled: the values of CUtensorMapSwizzle.
enum class Swizzle : u32 { kNone = 0, k32 = 1, k64 = 2, k128 = 3 };

/// The bytes after which 16-byte chunks of a swizzled row begin anew.
constexpr u32 swizzle_span(Swizzle swizzle) { return 16u << static_cast<u32>(swizzle); }

/// An operand in shared memory. Rows along K of one span: groups of 8 rows are `stride` bytes apart; 16 columns further is 32 bytes.
/// Rows along M or N: `leading` is from one span of rows to the next, `stride` from 8 columns to the next.
template <Swizzle kSwizzle>
DEVICE u64 matrix_descriptor(SharedAddress start, u32 leading, u32 stride) {
    constexpr u64 kLayout = (4 - static_cast<u32>(kSwizzle)) % 4;
    // Only 18 bits: above them an address says which block of a cluster it belongs to.
    return (start & 0x3FFFF) >> 4 | static_cast<u64>(leading >> 4) << 16 | static_cast<u64>(stride >> 4) << 32 | kLayout << 62;
}

/// What was written to the registers of the next products is written; before the first product on sums that were touched, and before
/// those of each group that has operands in registers.
DEVICE void wgmma_fence() { PTX(asm volatile("wgmma.fence.sync.aligned;" ::: "memory"), emulator_wgmma_fence()); }

/// Ends a group of products.
DEVICE void wgmma_commit() { PTX(asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"), emulator_wgmma_commit()); }

/// Sums at 0, before their first product. As plain zeros the compiler may write them only behind the beginning of the products, which then
/// wait for each other.
template <u32 kCount>
DEVICE void clear_sums(float (&sums)[kCount]) {
    UNROLL for (u32 i = 0; i < kCount; i++) {
        sums[i] = 0;
        PTX(asm volatile("" : "+f"(sums[i])), (void)0);
    }
}

/// Waits until at most the newest kNewest groups are under way: operands in shared memory of earlier ones may be overwritten.
template <u32 kNewest>
DEVICE void wgmma_wait() {
    PTX(asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kNewest) : "memory"), emulator_wgmma_wait(kNewest));
}

/// As above; `sums` are those of earlier ones, which may be touched then.
template <u32 kNewest, u32 kCount>
DEVICE void wgmma_wait([[maybe_unused]] float (&sums)[kCount]) {
    wgmma_wait<kNewest>();
    // The compiler must not move what reads them in front of the wait.
    UNROLL for (u32 i = 0; i < kCount; i++) PTX(asm volatile("" : "+f"(sums[i])::"memory"), (void)0);
}

#ifdef PIXIO_EMULATED
template <u32 kColumns, typename T>
DEVICE void emulated_wgmma(float* sums, const u32* a, u64 a_descriptor, u64 b, bool accumulate, bool a_mn_major, bool b_mn_major) {
    EmulatedWgmma operand = {sums, a, a_descriptor, b, kColumns, accumulate, kSame<T, bf16>, a_mn_major, b_mn_major};
    emulator_wgmma(&operand);
}
#else
#define WGMMA_TEXT(N, type, registers, a, b, scale, majors)                                                                             \
    "{.reg .pred p; setp.ne.b32 p, %" #scale ", 0; wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." type "." type " {" registers        \
    "}, " a ", %" #b ", p, 1, 1, " majors ";}"
#define WGMMA_SHARED(N, a, b, scale, a_major, b_major, x, y)                                                                             \
    if constexpr (kColumns == N && kSame<T, bf16>)                                                                                        \
        asm volatile(WGMMA_TEXT(N, "bf16", WGMMA_REGISTERS_##N, "%" #a, b, scale, "%" #a_major ", %" #b_major)                            \
                     : WGMMA_SUMS_##N : "l"(a_matrix), "l"(b_matrix), "r"(scales), "n"(kAMajor), "n"(kBMajor));                           \
    if constexpr (kColumns == N && kSame<T, f16>)                                                                                         \
        asm volatile(WGMMA_TEXT(N, "f16", WGMMA_REGISTERS_##N, "%" #a, b, scale, "%" #a_major ", %" #b_major)                             \
                     : WGMMA_SUMS_##N : "l"(a_matrix), "l"(b_matrix), "r"(scales), "n"(kAMajor), "n"(kBMajor));
#define WGMMA_REGISTERS(N, a0, a1, a2, a3, b, scale, b_major)                                                                            \
    if constexpr (kColumns == N && kSame<T, bf16>)                                                                                        \
        asm volatile(WGMMA_TEXT(N, "bf16", WGMMA_REGISTERS_##N, "{%" #a0 ", %" #a1 ", %" #a2 ", %" #a3 "}", b, scale, "%" #b_major)       \
                     : WGMMA_SUMS_##N : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_matrix), "r"(scales), "n"(kBMajor));            \
    if constexpr (kColumns == N && kSame<T, f16>)                                                                                         \
        asm volatile(WGMMA_TEXT(N, "f16", WGMMA_REGISTERS_##N, "{%" #a0 ", %" #a1 ", %" #a2 ", %" #a3 "}", b, scale, "%" #b_major)        \
                     : WGMMA_SUMS_##N : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_matrix), "r"(scales), "n"(kBMajor));
#endif

/// sums (+)= A B for 64 x 16 of A and 16 x kColumns of B in shared memory, at any moment until the wait for the group. Element
/// 4 j + 2 h + e of lane l of warp w is row 16 w + l / 4 + 8 h, column 8 j + 2 (l % 4) + e. Sums that are not accumulated begin at 0, but have to be
/// initialised all the same: else the compiler lets products wait for each other. All 128 threads.
template <u32 kColumns, typename T, bool kAMnMajor = false, bool kBMnMajor = false>
DEVICE void wgmma_shared(float (&sums)[kColumns / 2], u64 a_matrix, u64 b_matrix, bool accumulate) {
    static_assert(kColumns >= 8 && kColumns <= 256 && kColumns % 8 == 0 && sizeof(T) == 2);
#ifdef PIXIO_EMULATED
    emulated_wgmma<kColumns, T>(sums, nullptr, a_matrix, b_matrix, accumulate, kAMnMajor, kBMnMajor);
#else
    constexpr int kAMajor = kAMnMajor, kBMajor = kBMnMajor;
    u32 scales = accumulate;
    WGMMA_FOR_EVERY_SHAPE(WGMMA_SHARED)
#endif
}

/// As wgmma_shared, with A in registers, which stay as they are until the wait: register r of lane l of warp w holds row
/// 16 w + l / 4 + 8 (r % 2), columns 2 (l % 4) + 8 (r / 2) + {0, 1}. So a lane's sums of 16 columns, packed in pairs, are the A of a
/// product behind.
template <u32 kColumns, typename T, bool kBMnMajor = false>
DEVICE void wgmma_registers(float (&sums)[kColumns / 2], const u32 (&a)[4], u64 b_matrix, bool accumulate) {
    static_assert(kColumns >= 8 && kColumns <= 256 && kColumns % 8 == 0 && sizeof(T) == 2);
#ifdef PIXIO_EMULATED
    emulated_wgmma<kColumns, T>(sums, a, 0, b_matrix, accumulate, false, kBMnMajor);
#else
    constexpr int kBMajor = kBMnMajor;
    u32 scales = accumulate;
    WGMMA_FOR_EVERY_SHAPE(WGMMA_REGISTERS)
#endif
}
