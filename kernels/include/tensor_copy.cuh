// Tensor copies (sm_90): boxes of a tensor between global and shared memory by the tensor memory accelerator.
#pragma once

#include "device.cuh"
#include "mbarrier.cuh"
#include "memory.cuh"

/// CUtensorMap. In a kernel's arguments, of which it takes whole lines.
struct alignas(128) TensorMap {
    u64 words[16];
};

/// Fetches a tensor map, so that the first copy need not wait for it.
DEVICE void prefetch_tensor_map(const TensorMap& map) {
    PTX(asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory"), emulator_prefetch_tensor_map(&map));
}

/// What this thread wrote to shared memory is seen by tensor stores and wgmma of those who are behind a barrier.
DEVICE void fence_proxy_async() { PTX(asm volatile("fence.proxy.async.shared::cta;" ::: "memory"), emulator_fence_proxy_async()); }

/// The box that begins at column x of row y comes to shared memory, aligned to 128 bytes (to 8 spans where it is swizzled); the
/// mbarrier counts the bytes of the whole box, zeros outside of the tensor included.
DEVICE void tensor_load(SharedAddress destination, const TensorMap& map, i32 x, i32 y, SharedAddress barrier) {
    PTX(asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                     ::"r"(destination), "l"(&map), "r"(x), "r"(y), "r"(barrier) : "memory"),
        emulator_tensor_load(destination, &map, 2, x, y, 0, barrier, 0));
}

/// As above, into the same place of every block of the cluster with a bit in `ranks`, whose own mbarriers count it.
DEVICE void tensor_load_multicast(SharedAddress destination, const TensorMap& map, i32 x, i32 y, SharedAddress barrier, u16 ranks) {
    PTX(asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
                     "[%0], [%1, {%2, %3}], [%4], %5;"
                     ::"r"(destination), "l"(&map), "r"(x), "r"(y), "r"(barrier), "h"(ranks) : "memory"),
        emulator_tensor_load(destination, &map, 2, x, y, 0, barrier, ranks));
}

/// As tensor_load, for a tensor of three dimensions.
DEVICE void tensor_load(SharedAddress destination, const TensorMap& map, i32 x, i32 y, i32 z, SharedAddress barrier) {
    PTX(asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];"
                     ::"r"(destination), "l"(&map), "r"(x), "r"(y), "r"(z), "r"(barrier) : "memory"),
        emulator_tensor_load(destination, &map, 3, x, y, z, barrier, 0));
}

/// A box in shared memory goes to column x of row y, at any moment until the wait for its group; what lies outside of the tensor does not.
DEVICE void tensor_store(const TensorMap& map, i32 x, i32 y, SharedAddress source) {
    PTX(asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%1, %2}], [%3];"
                     ::"l"(&map), "r"(x), "r"(y), "r"(source) : "memory"),
        emulator_tensor_store(&map, 2, x, y, 0, source));
}

/// As above, for a tensor of three dimensions.
DEVICE void tensor_store(const TensorMap& map, i32 x, i32 y, i32 z, SharedAddress source) {
    PTX(asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%1, %2, %3}], [%4];"
                     ::"l"(&map), "r"(x), "r"(y), "r"(z), "r"(source) : "memory"),
        emulator_tensor_store(&map, 3, x, y, z, source));
}

/// Ends a group of this thread's tensor stores.
DEVICE void tensor_store_commit() { PTX(asm volatile("cp.async.bulk.commit_group;" ::: "memory"), emulator_bulk_commit()); }

/// Waits until shared memory is no longer read by any but the newest kNewest groups of this thread. Before it ends, by none.
template <u32 kNewest>
DEVICE void tensor_store_wait_read() {
    PTX(asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kNewest) : "memory"), emulator_bulk_wait(kNewest, true));
}

/// Waits until all but the newest kNewest groups of this thread have been written.
template <u32 kNewest>
DEVICE void tensor_store_wait() {
    PTX(asm volatile("cp.async.bulk.wait_group %0;" ::"n"(kNewest) : "memory"), emulator_bulk_wait(kNewest, false));
}
