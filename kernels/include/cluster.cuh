// Clusters and warpgroups (sm_90).
#pragma once

#include "dependencies.cuh"
#include "device.cuh"
#include "memory.cuh"
#include "sync.cuh"

constexpr u32 kWarpgroupSize = 128;

/// The block's number in its cluster.
DEVICE u32 cluster_rank() {
    u32 rank;
    PTX(asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank)), rank = emulator_cluster_rank());
    return rank;
}

/// All threads of the cluster have come, and see what the others wrote before; not what asynchronous copies did.
DEVICE void cluster_arrive() { PTX(asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"), emulator_cluster_arrive()); }
DEVICE void cluster_wait() { PTX(asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"), emulator_cluster_wait()); }

/// Both for a cluster of kBlocks. One block alone is its own cluster.
template <u32 kBlocks>
DEVICE void meet() {
    if constexpr (kBlocks == 1) {
        block_sync();
    } else {
        cluster_arrive();
        cluster_wait();
    }
}

/// 16 bytes from the same place of another block of the cluster, or of one's own; that block has not ended.
DEVICE Words4 load_shared16_at(SharedAddress address, u32 rank) {
    Words4 value;
    PTX(asm volatile("{.reg .b32 r; mapa.shared::cluster.u32 r, %4, %5; ld.shared::cluster.v4.u32 {%0, %1, %2, %3}, [r];}"
                     : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "r"(address), "r"(rank) : "memory"),
        value = __builtin_bit_cast(Words4, emulator_load_cluster16(emulator_map_shared_rank(address, rank))));
    return value;
}

/// True in one lane of the warp, always the same; all lanes have come.
DEVICE bool elect_one() {
    u32 elected;
    PTX(asm volatile("{.reg .pred p; elect.sync _|p, 0xFFFFFFFF; selp.u32 %0, 1, 0, p;}" : "=r"(elected)), elected = emulator_elect());
    return elected != 0;
}

/// The registers of each thread of a warpgroup become fewer, and free for other warpgroups; or more, once they are free.
template <u32 kCount>
DEVICE void give_registers() {
    PTX(asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount)), emulator_set_max_registers(kCount, false));
}
template <u32 kCount>
DEVICE void take_registers() {
    PTX(asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount)), emulator_set_max_registers(kCount, true));
}
