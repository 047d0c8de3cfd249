// mbarriers (sm_90): 8 bytes of shared memory that are over, phase by phase, when all have arrived and all announced bytes have come.
#pragma once

#include "device.cuh"
#include "memory.cuh"

/// Makes an mbarrier for `arrivals` in each phase; phase 0 begins.
DEVICE void mbarrier_init(SharedAddress barrier, u32 arrivals) {
    PTX(asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory"),
        emulator_mbarrier_init(barrier, arrivals));
}

/// Tensor copies and other blocks see the mbarriers that this thread has made, once a barrier lies behind this.
DEVICE void fence_mbarrier_init() {
    PTX(asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"), emulator_fence_mbarrier_init());
}

DEVICE void mbarrier_arrive(SharedAddress barrier) {
    PTX(asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory"), emulator_mbarrier_arrive(barrier));
}

/// Arrives at the mbarrier at the same place in another block of the cluster, or in one's own.
DEVICE void mbarrier_arrive_at(SharedAddress barrier, u32 rank) {
    PTX(asm volatile("{.reg .b32 r; mapa.shared::cluster.u32 r, %0, %1; mbarrier.arrive.release.cluster.shared::cluster.b64 _, [r];}"
                     ::"r"(barrier), "r"(rank) : "memory"),
        emulator_mbarrier_arrive(emulator_map_shared_rank(barrier, rank)));
}

/// Announces bytes of asynchronous copies for the phase that runs.
DEVICE void mbarrier_expect_bytes(SharedAddress barrier, u32 bytes) {
    PTX(asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory"),
        emulator_mbarrier_expect_tx(barrier, bytes));
}

/// Announces bytes, then arrives.
DEVICE void mbarrier_arrive_expect_bytes(SharedAddress barrier, u32 bytes) {
    PTX(asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory"),
        emulator_mbarrier_arrive_expect_tx(barrier, bytes));
}

/// Waits until the phase of a parity is over: what those who arrived did before, and the copies that it counted, can be seen then. A fresh
/// mbarrier's phase of parity 1 is over. Nobody may fall two phases behind.
DEVICE void mbarrier_wait(SharedAddress barrier, u32 parity) {
    PTX(asm volatile("{.reg .pred p; TRY_%=: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1; @!p bra TRY_%=;}"
                     ::"r"(barrier), "r"(parity) : "memory"),
        emulator_mbarrier_wait(barrier, parity));
}

/// As mbarrier_wait, where those who arrive belong to other blocks of the cluster.
DEVICE void mbarrier_wait_cluster(SharedAddress barrier, u32 parity) {
    PTX(asm volatile("{.reg .pred p; TRY_%=: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%0], %1; @!p bra TRY_%=;}"
                     ::"r"(barrier), "r"(parity) : "memory"),
        emulator_mbarrier_wait(barrier, parity));
}

/// Whether the phase of a parity is over; may say no for a while after it is.
DEVICE bool mbarrier_try_wait(SharedAddress barrier, u32 parity) {
    u32 over;
    PTX(asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                     : "=r"(over) : "r"(barrier), "r"(parity) : "memory"),
        over = emulator_mbarrier_try_wait(barrier, parity));
    return over != 0;
}

/// The slot of a ring of kStages, and the parity of its phase.
template <u32 kStages>
struct RingPlace {
    u32 stage = 0, phase = 0;

    DEVICE_MEMBER void advance() {
        stage = stage + 1 == kStages ? 0 : stage + 1;
        phase ^= stage == 0;
    }

    /// As `count` times advance().
    DEVICE_MEMBER void skip(u32 count) {
        phase ^= (stage + count) / kStages % 2;
        stage = (stage + count) % kStages;
    }
};

/// Two mbarriers for each stage of a ring: one says that it is full, one that it is empty again.
template <u32 kStages>
struct RingBarriers {
    SharedAddress first;

    DEVICE_MEMBER SharedAddress full(u32 stage) const { return first + 8 * stage; }
    DEVICE_MEMBER SharedAddress empty(u32 stage) const { return full(kStages + stage); }

    /// One thread makes them, and a barrier follows. A stage is full when one thread has arrived and the bytes that it announced have come,
    /// and empty after `releases`.
    DEVICE_MEMBER void init(u32 releases) const {
        for (u32 stage = 0; stage < kStages; stage++) {
            mbarrier_init(full(stage), 1);
            mbarrier_init(empty(stage), releases);
        }
        fence_mbarrier_init();
    }
};
