// mbarriers: 8 bytes of shared memory that count arrivals and the bytes of asynchronous copies, phase by phase.
#pragma once

#include <cstdint>
#include <vector>

namespace emulator {

struct Block;
struct Thread;

struct MBarrier {
    unsigned offset = 0, expected = 0, pending = 0;
    uint32_t phase = 0;            // how many are over
    int64_t bytes = 0;             // announced and not yet there; less than none where they came first
    std::vector<uint32_t> known;   // what those who came in this phase knew, and what was copied
    std::vector<uint32_t> known_of_last_phase;
    std::vector<Thread*> waiters;
    unsigned made_by = 0;          // a thread's number in the clocks of the cluster, and when
    uint32_t made_at = 0;
};

/// The mbarrier at an address, for a thread that names it; of another block of the cluster where the address says so.
MBarrier& find_mbarrier(Thread& thread, unsigned address, const char* what, Block*& owner);

/// The mbarrier of a block at an offset, for a copy that `thread` issues: its making must have been fenced.
MBarrier& find_copy_mbarrier(Thread& thread, Block& owner, unsigned offset);

/// Bytes have come: `column` knows of it at `moment`.
void complete_bytes(Block& owner, unsigned offset, unsigned bytes, unsigned column, uint32_t moment);

/// The bits of an address of another block's shared memory, in front of its offset.
constexpr unsigned kRankShift = 24;

} // namespace emulator
