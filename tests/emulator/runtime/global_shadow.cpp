#include "global_shadow.h"

#include <algorithm>
#include <cstring>

#include "device_memory.h"
#include "execution.h"

namespace emulator {

namespace {
// A record of an access: launch 16, block 20, thread 11, clock 17 bits.
constexpr unsigned kClockBits = 17, kThreadBits = 11, kBlockBits = 20;
constexpr unsigned kSeveral = (1u << kThreadBits) - 1;            // threads of one block
constexpr unsigned kSeveralBlocks = (1u << kBlockBits) - 1;
constexpr uint32_t kLastClock = (1u << kClockBits) - 1;

AccessRecord record(unsigned launch, unsigned block, unsigned thread, uint32_t clock) {
    return (static_cast<AccessRecord>(launch) << (kBlockBits + kThreadBits + kClockBits))
        | (static_cast<AccessRecord>(block) << (kThreadBits + kClockBits)) | (static_cast<AccessRecord>(thread) << kClockBits) | clock;
}

unsigned launch_of(AccessRecord access) { return static_cast<unsigned>(access >> (kBlockBits + kThreadBits + kClockBits)); }
unsigned block_of(AccessRecord access) { return static_cast<unsigned>(access >> (kThreadBits + kClockBits)) & kSeveralBlocks; }
unsigned thread_of(AccessRecord access) { return static_cast<unsigned>(access >> kClockBits) & kSeveral; }
uint32_t clock_of(AccessRecord access) { return static_cast<uint32_t>(access) & kLastClock; }

AccessRecord mine(const Thread& thread) {
    uint32_t clock = thread.clock();
    if (clock > kLastClock)
        fail(kLaunchFailed, "has met more barriers than the emulator can count (%u)", kLastClock);
    return record(thread.block->launch->number, thread.block->number, thread.index, clock);
}

/// Whether what `earlier` tells of is ordered before what the thread does now.
bool ordered(const Thread& thread, AccessRecord earlier) {
    // Kernels of one stream run one after the other; an older launch is over.
    if (launch_of(earlier) != thread.block->launch->number)
        return true;
    if (block_of(earlier) != thread.block->number)
        return false;
    unsigned other = thread_of(earlier);
    const VectorClocks& clocks = thread.block->clocks;
    if (other != kSeveral)
        return other == thread.index || clocks.ordered(other, clock_of(earlier), thread.index);
    for (unsigned i = 0; i < clocks.threads(); i++) {
        if (i != thread.index && !clocks.ordered(i, clock_of(earlier), thread.index))
            return false;
    }
    return true;
}

void check_state(const void* pointer, size_t offset, unsigned bytes, const char* what, bool must_be_initialised) {
    const uint8_t* states = DeviceMemory::states(offset);
    for (unsigned i = 0; i < bytes; i++) {
        if (states[i] == kOutside)
            fail(kIllegalAddress, "%s %u bytes of global memory at %p, but byte %u is in no allocation", what, bytes, pointer, i);
        if (must_be_initialised && states[i] == kUninitialised)
            fail(kLaunchFailed, "%s %u bytes of global memory at %p, of which byte %u was never written", what, bytes, pointer, i);
    }
}

[[noreturn]] void fail_race(const char* what, const void* pointer, const char* did, AccessRecord other) {
    if (block_of(other) == kSeveralBlocks)
        fail(kLaunchFailed, "%s global memory at %p, which several blocks %s in the same launch", what, pointer, did);
    fail(kLaunchFailed, "%s global memory at %p, which thread %u of block %u %s in the same launch, with nothing to order them", what, pointer,
        thread_of(other), block_of(other), did);
}

/// The first of each stretch of equal records stands for the stretch.
template <typename Check>
void for_each_distinct(const AccessRecord* records, unsigned bytes, Check check) {
    for (unsigned i = 0; i < bytes; i++) {
        if (i == 0 || records[i] != records[i - 1])
            check(i, records[i]);
    }
}

void check_writes(Thread& thread, const void* pointer, size_t offset, unsigned bytes, const char* what) {
    for_each_distinct(DeviceMemory::writes(offset), bytes, [&](unsigned i, AccessRecord earlier) {
        if (!ordered(thread, earlier))
            fail_race(what, static_cast<const char*>(pointer) + i, "wrote", earlier);
    });
}

void remember_read(const Thread& thread, size_t offset, unsigned bytes) {
    AccessRecord now = mine(thread);
    AccessRecord* reads = DeviceMemory::reads(offset);
    for (unsigned i = 0; i < bytes; i++) {
        AccessRecord before = reads[i];
        if (before == now)
            continue;
        if (launch_of(before) != launch_of(now))
            reads[i] = now;
        else if (block_of(before) != block_of(now))
            reads[i] = record(launch_of(now), kSeveralBlocks, kSeveral, 0);
        else if (thread_of(before) == thread_of(now) || (thread_of(before) != kSeveral && ordered(thread, before)))
            reads[i] = now;
        else
            reads[i] = record(launch_of(now), block_of(now), kSeveral, std::max(clock_of(before), clock_of(now)));
    }
}
} // namespace

void read_global(Thread& thread, const void* pointer, unsigned bytes) {
    size_t offset = DeviceMemory::offset(pointer);
    check_state(pointer, offset, bytes, "reads", true);
    check_writes(thread, pointer, offset, bytes, "reads");
    remember_read(thread, offset, bytes);
}

void write_global(Thread& thread, void* pointer, unsigned bytes) {
    size_t offset = DeviceMemory::offset(pointer);
    check_state(pointer, offset, bytes, "writes", false);
    check_writes(thread, pointer, offset, bytes, "writes");
    for_each_distinct(DeviceMemory::reads(offset), bytes, [&](unsigned i, AccessRecord earlier) {
        if (!ordered(thread, earlier))
            fail_race("writes", static_cast<const char*>(pointer) + i, "read", earlier);
    });
    std::memset(DeviceMemory::states(offset), kInitialised, bytes);
    std::fill_n(DeviceMemory::writes(offset), bytes, mine(thread));
}

void atomic_global(Thread&, void* pointer, unsigned bytes) {
    check_state(pointer, DeviceMemory::offset(pointer), bytes, "changes atomically", true);
}

} // namespace emulator
