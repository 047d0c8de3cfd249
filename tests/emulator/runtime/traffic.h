// What a warp's accesses cost: sectors of 32 bytes of global memory, and passes through the 32 banks of shared memory.
#pragma once

#include <cstdint>

namespace emulator {

struct Warp;

enum class AccessKind : uint8_t { kReadGlobal, kWriteGlobal, kReadShared, kWriteShared };

/// An access of one lane. `place` is the instruction: what lanes do at one place for the n-th time, the hardware does at once.
struct Access {
    const void* place;
    uintptr_t address;
    uint16_t bytes;
    AccessKind kind;
};

/// Totals of a launch.
struct Traffic {
    uint64_t global_read_bytes = 0, global_write_bytes = 0;    // whole sectors
    uint64_t shared_accesses = 0, bank_conflicts = 0;          // passes that were needed, and those beyond the fewest possible
    uint64_t tensor_flops = 0;
};

/// Counts what the lanes of a warp have logged, and empties their logs. Called where the warp is together.
void count_accesses(Warp& warp, Traffic& traffic);

/// Counts one access to shared memory by `count` lanes at once, the bits of `lanes` in their order, each of `bytes` bytes.
void count_shared(const uintptr_t* addresses, unsigned count, unsigned bytes, unsigned lanes, Traffic& traffic);

} // namespace emulator
