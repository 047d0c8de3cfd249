// The language of the kernels: what NVRTC gives without headers, under names that g++ understands too. The emulated driver compiles this
// very text with g++ (PIXIO_EMULATED); only this folder knows the difference.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i32 = int;
using i64 = long long;

#ifdef PIXIO_EMULATED
#include "emulator.h"
#define DEVICE static inline __attribute__((always_inline))
/// As DEVICE, for members of structs.
#define DEVICE_MEMBER inline __attribute__((always_inline))
/// An instruction: how the GPU is told, and what it means.
#define PTX(gpu_statement, cpu_statement) cpu_statement
/// All shared memory of a block; kernels use no other.
#define SHARED_MEMORY(name) unsigned char* const name = emulator_shared_memory()
#define EMULATED_EXPORT extern "C" __attribute__((visibility("default")))
EMULATED_EXPORT const u32 emulated_architecture = PIXIO_EMULATED_ARCHITECTURE;
/// An entry point. The file defines kThreads (of a block) and kBlocksPerSm (that registers must allow) before it.
#define KERNEL(name, Args)                                                                                                                \
    EMULATED_EXPORT const EmulatedKernelInfo name##_info = {sizeof(Args), alignof(Args), kThreads};                                       \
    EMULATED_EXPORT void name(const Args& args)
#define UNROLL _Pragma("GCC unroll 64")
/// Twice only, where all of a loop at once would take too many registers.
#define UNROLL_TWICE _Pragma("GCC unroll 2")
/// Never, nor a first turn apart: loops whose turns wait for something. Copies of their body would gain nothing and take the compiler long.
#define ROLLED _Pragma("GCC unroll 1")
#else
#define DEVICE __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__
#define PTX(gpu_statement, cpu_statement) gpu_statement
#define SHARED_MEMORY(name) extern __shared__ __align__(1024) unsigned char name[]
#define KERNEL(name, Args) extern "C" __global__ void __launch_bounds__(kThreads, kBlocksPerSm) name(const __grid_constant__ Args args)
#define UNROLL _Pragma("unroll")
#define UNROLL_TWICE _Pragma("unroll 2")
#define ROLLED _Pragma("unroll 1")
#endif

constexpr u32 kWarpSize = 32;
constexpr u32 kAllLanes = 0xFFFFFFFFu;

template <typename T>
constexpr T ceil_div(T value, T divisor) {
    return (value + divisor - 1) / divisor;
}

template <typename T>
constexpr T min_of(T a, T b) {
    return a < b ? a : b;
}

template <typename T>
constexpr T max_of(T a, T b) {
    return a > b ? a : b;
}

/// 16 bytes, what one lane moves at most with one instruction.
struct alignas(16) Words4 {
    u32 x, y, z, w;
};

DEVICE u32 lane_index() { return threadIdx.x % kWarpSize; }
DEVICE u32 warp_index() { return threadIdx.x / kWarpSize; }
