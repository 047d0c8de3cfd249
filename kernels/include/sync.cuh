// Barriers and exchanges between the threads of a block.
#pragma once

#include "device.cuh"

/// All threads of the block have come, and see what the others wrote before.
DEVICE void block_sync() { PTX(__syncthreads(), emulator_barrier_sync(0, blockDim.x)); }

/// As block_sync, among `threads` threads (whole warps) that name the same barrier, 1 to 15.
DEVICE void barrier_sync(u32 id, u32 threads) {
    PTX(asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"), emulator_barrier_sync(id, threads));
}

/// Comes to such a barrier without waiting for the others.
DEVICE void barrier_arrive(u32 id, u32 threads) {
    PTX(asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"), emulator_barrier_arrive(id, threads));
}

/// The lanes of the warp have come, and see what the others wrote before.
DEVICE void warp_sync() { PTX(__syncwarp(), emulator_syncwarp(kAllLanes)); }

DEVICE u32 shuffle_xor(u32 value, u32 lane_mask) {
    PTX(return __shfl_xor_sync(kAllLanes, value, lane_mask), return emulator_shfl_xor(kAllLanes, value, lane_mask));
}

DEVICE u32 shuffle(u32 value, u32 lane) { PTX(return __shfl_sync(kAllLanes, value, lane), return emulator_shfl(kAllLanes, value, lane)); }
