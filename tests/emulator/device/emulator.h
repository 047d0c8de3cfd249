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

/// The operands of wgmma (M 64, K 16), as one lane names them.
struct EmulatedWgmma {
    float* sums;                                      // columns / 2 of them: not to be touched until they are waited for
    const unsigned* a;                                // 4 registers, not to be touched either; null where A lies in shared memory
    unsigned long long a_descriptor, b_descriptor;
    unsigned columns;
    bool accumulates, is_bf16, a_mn_major, b_mn_major;
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

// Products of a warpgroup.
void emulator_wgmma(const EmulatedWgmma* operand);
void emulator_wgmma_fence();
void emulator_wgmma_commit();
void emulator_wgmma_wait(unsigned newest_left);

// mbarriers at shared addresses; arrivals may name another block's. wait returns once the phase of a parity is over.
void emulator_mbarrier_init(unsigned address, unsigned count);
void emulator_mbarrier_arrive(unsigned address);
void emulator_mbarrier_expect_tx(unsigned address, unsigned bytes);
void emulator_mbarrier_arrive_expect_tx(unsigned address, unsigned bytes);
bool emulator_mbarrier_try_wait(unsigned address, unsigned parity);
void emulator_mbarrier_wait(unsigned address, unsigned parity);
void emulator_fence_mbarrier_init();
void emulator_fence_proxy_async();

// Tensor copies of 2 or 3 dimensions (z is 0 for 2); ranks is a bit for each block of the cluster, 0 for one's own.
void emulator_tensor_load(unsigned address, const void* map, unsigned dimensions, int x, int y, int z, unsigned barrier, unsigned ranks);
void emulator_tensor_store(const void* map, unsigned dimensions, int x, int y, int z, unsigned address);
void emulator_bulk_commit();
void emulator_bulk_wait(unsigned newest_left, bool read_only);
void emulator_prefetch_tensor_map(const void* map);

// Clusters, warpgroups, and grids that depend on each other.
unsigned emulator_cluster_rank() __attribute__((const));
void emulator_cluster_arrive();
void emulator_cluster_wait();
unsigned emulator_map_shared_rank(unsigned address, unsigned rank);
EmulatedWords4 emulator_load_cluster16(unsigned address);
bool emulator_elect();
void emulator_set_max_registers(unsigned count, bool increase);
void emulator_dependency_wait();
void emulator_launch_dependents();

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
