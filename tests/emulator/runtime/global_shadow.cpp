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
constexpr unsigned kAtomic = kSeveral - 1;                        // whoever: atomics are in order among themselves
constexpr unsigned kSplit = kSeveral - 2;                         // in a line's record: its bytes have records of their own
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
    if (clock > kLastClock) [[unlikely]]
        fail(kLaunchFailed, "has met more barriers than the emulator can count (%u)", kLastClock);
    return record(thread.block->launch->number, thread.block->number, thread.index, clock);
}

AccessRecord by_atomic(const Thread& thread) { return record(thread.block->launch->number, kSeveralBlocks, kAtomic, 0); }

bool ordered_in_launch(const Thread& thread, AccessRecord earlier) {
    if (block_of(earlier) != thread.block->number)
        return false;
    unsigned other = thread_of(earlier);
    const uint32_t* known = known_of(thread, *thread.block);
    if (other != kSeveral)
        return other == thread.index || known[other] >= clock_of(earlier);
    for (unsigned i = 0; i < thread.block->threads.size(); i++) {
        if (i != thread.index && known[i] < clock_of(earlier))
            return false;
    }
    return true;
}

/// Whether what `earlier` tells of is ordered before what the thread does now.
inline bool ordered(const Thread& thread, AccessRecord earlier) {
    const Launch& launch = *thread.block->launch;
    if (launch_of(earlier) == launch.number)
        return ordered_in_launch(thread, earlier);
    return launch.request.order.is_over(launch_of(earlier), launch.number, thread.waited_for_dependencies);
}

[[noreturn]] void fail_state(const void* pointer, unsigned bytes, const char* what, unsigned byte, bool outside) {
    std::string near = DeviceMemory::describe(static_cast<const char*>(pointer) + byte);
    if (outside)
        fail(kIllegalAddress, "%s %u bytes of global memory at %p, but byte %u is in no allocation%s", what, bytes, pointer, byte,
            near.c_str());
    fail(kLaunchFailed, "%s %u bytes of global memory at %p, of which byte %u was never written%s", what, bytes, pointer, byte,
        near.c_str());
}

template <unsigned kBytes>
inline void check_state(const void* pointer, size_t offset, const char* what, bool must_be_initialised) {
    const uint8_t* states = DeviceMemory::states(offset);
    uint8_t wrong = 0;
    for (unsigned i = 0; i < kBytes; i++)
        wrong |= states[i] ^ kInitialised;
    if (!wrong) [[likely]]
        return;
    for (unsigned i = 0; i < kBytes; i++) {
        if (states[i] == kOutside || (must_be_initialised && states[i] == kUninitialised))
            fail_state(pointer, kBytes, what, i, states[i] == kOutside);
    }
}

unsigned current_thread_launch() { return current_thread()->block->launch->number; }

[[noreturn]] void fail_race(const char* what, const void* pointer, const char* did, AccessRecord other) {
    std::string near = DeviceMemory::describe(pointer);
    if (launch_of(other) != current_thread_launch())
        fail(kLaunchFailed, "%s global memory at %p, which a kernel in front of it %s that may not have ended yet (griddepcontrol.wait)%s",
            what, pointer, did, near.c_str());
    if (thread_of(other) == kAtomic)
        fail(kLaunchFailed, "%s global memory at %p, which others change atomically in the same launch%s", what, pointer, near.c_str());
    if (block_of(other) == kSeveralBlocks)
        fail(kLaunchFailed, "%s global memory at %p, which several blocks %s in the same launch%s", what, pointer, did, near.c_str());
    fail(kLaunchFailed, "%s global memory at %p, which thread %u of block %u %s in the same launch, with nothing to order them%s", what,
        pointer,
        thread_of(other), block_of(other), did, near.c_str());
}

/// A line's record holds for all of its bytes, unless it says that they have records of their own.
inline bool is_split(AccessRecord line) { return thread_of(line) == kSplit; }

/// Gives each byte of a line a record of its own; those that an older launch has given them stay.
void split(const Thread& thread, AccessRecord& line, AccessRecord* bytes) {
    if (!is_split(line))
        std::fill_n(bytes, DeviceMemory::kLineBytes, line);
    line = record(thread.block->launch->number, 0, kSplit, 0);
}

inline bool is_split_now(const Thread& thread, AccessRecord line) {
    return is_split(line) && launch_of(line) == thread.block->launch->number;
}

template <unsigned kBytes>
inline void check_order(const Thread& thread, AccessRecord line, const AccessRecord* bytes, const void* pointer, const char* what,
    const char* did) {
    const Launch& launch = *thread.block->launch;
    if (launch.request.order.is_over(launch_of(line), launch.number)) [[likely]]
        return;
    if (!is_split(line)) {
        if (!ordered(thread, line)) [[unlikely]]
            fail_race(what, pointer, did, line);
        return;
    }
    for (unsigned i = 0; i < kBytes; i++) {
        if (!ordered(thread, bytes[i])) [[unlikely]]
            fail_race(what, static_cast<const char*>(pointer) + i, did, bytes[i]);
    }
}

/// What is to be remembered of the reads of a byte, once the thread has read it, too.
inline AccessRecord joined(const Thread& thread, AccessRecord before, AccessRecord now) {
    if (before == now || launch_of(before) != launch_of(now))
        return now;
    if (block_of(before) != block_of(now))
        return record(launch_of(now), kSeveralBlocks, kSeveral, 0);
    if (thread_of(before) == thread_of(now) || (thread_of(before) != kSeveral && ordered_in_launch(thread, before)))
        return now;
    return record(launch_of(now), block_of(now), kSeveral, std::max(clock_of(before), clock_of(now)));
}

template <unsigned kBytes>
inline void remember_read(const Thread& thread, size_t offset) {
    AccessRecord now = mine(thread);
    AccessRecord& line = *DeviceMemory::line_reads(offset);
    AccessRecord* bytes = DeviceMemory::reads(offset);
    if (!is_split_now(thread, line)) {
        AccessRecord next = joined(thread, line, now);
        if (next == line)
            return;
        if (kBytes == DeviceMemory::kLineBytes) {
            line = next;
            return;
        }
        split(thread, line, DeviceMemory::reads(offset / DeviceMemory::kLineBytes * DeviceMemory::kLineBytes));
    }
    for (unsigned i = 0; i < kBytes; i++)
        bytes[i] = joined(thread, bytes[i], now);
}

template <unsigned kBytes>
inline void remember_write(const Thread& thread, size_t offset) {
    AccessRecord& line = *DeviceMemory::line_writes(offset);
    if (kBytes == DeviceMemory::kLineBytes) {
        line = mine(thread);
        return;
    }
    if (!is_split_now(thread, line))
        split(thread, line, DeviceMemory::writes(offset / DeviceMemory::kLineBytes * DeviceMemory::kLineBytes));
    std::fill_n(DeviceMemory::writes(offset), kBytes, mine(thread));
}

// Accesses are aligned to their size: none leaves its line.
template <unsigned kBytes>
void read_bytes(Thread& thread, const void* pointer) {
    size_t offset = DeviceMemory::offset(pointer);
    check_state<kBytes>(pointer, offset, "reads", true);
    check_order<kBytes>(thread, *DeviceMemory::line_writes(offset), DeviceMemory::writes(offset), pointer, "reads", "wrote");
    remember_read<kBytes>(thread, offset);
}

template <unsigned kBytes>
void write_bytes(Thread& thread, void* pointer) {
    size_t offset = DeviceMemory::offset(pointer);
    check_state<kBytes>(pointer, offset, "writes", false);
    check_order<kBytes>(thread, *DeviceMemory::line_writes(offset), DeviceMemory::writes(offset), pointer, "writes", "wrote");
    check_order<kBytes>(thread, *DeviceMemory::line_reads(offset), DeviceMemory::reads(offset), pointer, "writes", "read");
    std::memset(DeviceMemory::states(offset), kInitialised, kBytes);
    remember_write<kBytes>(thread, offset);
}
} // namespace

void read_global(Thread& thread, const void* pointer, unsigned bytes) {
    switch (bytes) {
    case 2: return read_bytes<2>(thread, pointer);
    case 4: return read_bytes<4>(thread, pointer);
    case 8: return read_bytes<8>(thread, pointer);
    case 16: return read_bytes<16>(thread, pointer);
    default:
        for (unsigned i = 0; i < bytes; i++)
            read_bytes<1>(thread, static_cast<const char*>(pointer) + i);
    }
}

void write_global(Thread& thread, void* pointer, unsigned bytes) {
    switch (bytes) {
    case 2: return write_bytes<2>(thread, pointer);
    case 4: return write_bytes<4>(thread, pointer);
    case 8: return write_bytes<8>(thread, pointer);
    case 16: return write_bytes<16>(thread, pointer);
    default:
        for (unsigned i = 0; i < bytes; i++)
            write_bytes<1>(thread, static_cast<char*>(pointer) + i);
    }
}

void atomic_global(Thread& thread, void* pointer, unsigned bytes) {
    size_t offset = DeviceMemory::offset(pointer);
    check_state<4>(pointer, offset, "changes atomically", true);
    AccessRecord now = by_atomic(thread), &line = *DeviceMemory::line_writes(offset);
    if (!is_split_now(thread, line))
        split(thread, line, DeviceMemory::writes(offset / DeviceMemory::kLineBytes * DeviceMemory::kLineBytes));
    check_order<4>(thread, *DeviceMemory::line_reads(offset), DeviceMemory::reads(offset), pointer, "changes atomically", "read");
    AccessRecord* writes = DeviceMemory::writes(offset);
    for (unsigned i = 0; i < bytes; i++) {
        if (writes[i] != now && !ordered(thread, writes[i]))
            fail_race("changes atomically", static_cast<char*>(pointer) + i, "wrote", writes[i]);
    }
    std::fill_n(writes, bytes, now);
}

} // namespace emulator
