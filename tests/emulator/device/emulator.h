// What a kernel sees of the emulator: the CPU meanings that kernels/include gives to its PTX wrappers are written in these functions.
// Included by kernels/include/device.cuh when the emulated NVRTC compiles (PIXIO_EMULATED). The functions live in the emulated driver.
#pragma once

struct uint3 {
    unsigned x, y, z;
};

struct EmulatedWords4 {
    unsigned x, y, z, w;
};

struct EmulatedFloats4 {
    float x, y, z, w;
};

/// What the driver has to know of a kernel; KERNEL defines one beside each entry.
struct EmulatedKernelInfo {
    unsigned args_bytes, args_alignment, max_threads;
};

extern "C" {
// Who runs never changes within one call of a kernel, so that the compiler may ask once.
uint3 emulator_thread_index() __attribute__((const));
uint3 emulator_block_index() __attribute__((const));
uint3 emulator_block_size() __attribute__((const));
uint3 emulator_grid_size() __attribute__((const));
unsigned char* emulator_shared_memory() __attribute__((const));

// Shared addresses are what PTX calls .shared: 32 bits, counted from the block's first byte. sm_90 starts at 0x400.
unsigned emulator_shared_address(const void* pointer);
void* emulator_shared_pointer(unsigned address);

// Accesses wider than a register, which must be aligned to their size.
EmulatedWords4 emulator_load16(const void* pointer);
void emulator_store16(void* pointer, EmulatedWords4 value);
unsigned long emulator_load8(const void* pointer);
void emulator_store8(void* pointer, unsigned long value);

// Asynchronous copy of `bytes` (4, 8, 16) to shared memory, of which the first `valid` come from global memory and the rest are zeros.
void emulator_cp_async(void* shared, const void* global, unsigned bytes, unsigned valid);
void emulator_cp_async_commit();
void emulator_cp_async_wait(unsigned newest_left);

// Barriers. `threads` counts arrivals and waiters and is a multiple of 32.
void emulator_barrier_sync(unsigned id, unsigned threads);
void emulator_barrier_arrive(unsigned id, unsigned threads);
void emulator_syncwarp(unsigned mask);

// Warp collectives.
unsigned emulator_shfl(unsigned mask, unsigned value, unsigned source_lane);
unsigned emulator_shfl_xor(unsigned mask, unsigned value, unsigned lane_mask);
unsigned emulator_ballot(unsigned mask, bool predicate);
EmulatedWords4 emulator_ldmatrix_x4(unsigned address, bool transposed);
EmulatedFloats4 emulator_mma_m16n8k16_bf16(EmulatedWords4 a, unsigned b0, unsigned b1, EmulatedFloats4 c);
EmulatedFloats4 emulator_mma_m16n8k16_f16(EmulatedWords4 a, unsigned b0, unsigned b1, EmulatedFloats4 c);

// Conversions, to nearest even; the first in the low half.
unsigned emulator_pack_bf16x2(float low, float high);
unsigned emulator_pack_f16x2(float low, float high);

// Atomics on global or shared memory.
unsigned emulator_atomic_add(unsigned* pointer, unsigned value);

// 2^x as ex2.approx.ftz gives it: results below the normal numbers are 0.
float emulator_exp2(float x) __attribute__((const));
}

#define threadIdx (emulator_thread_index())
#define blockIdx (emulator_block_index())
#define blockDim (emulator_block_size())
#define gridDim (emulator_grid_size())
