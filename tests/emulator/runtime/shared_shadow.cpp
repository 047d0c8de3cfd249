#include "shared_shadow.h"

#include <algorithm>
#include <cstring>

#include "execution.h"

namespace emulator {

namespace {
constexpr unsigned kWriterBits = 10;
constexpr uint32_t kLastSharedClock = (1u << (32 - kWriterBits)) - 1;

/// Whether all are the same: then one check stands for all.
template <unsigned kCount, typename T>
inline bool all_same(const T* values) {
    T different = 0;
    for (unsigned i = 1; i < kCount; i++)
        different |= values[i] ^ values[0];
    return !different;
}

template <typename T>
inline bool all_same(const T* values, unsigned count) {
    if (count == 16)
        return all_same<16>(values);
    T different = 0;
    for (unsigned i = 1; i < count; i++)
        different |= values[i] ^ values[0];
    return !different;
}
} // namespace

void SharedShadow::reset(unsigned bytes, unsigned warps) {
    bytes_ = bytes;
    warps_ = warps;
    states_.assign(bytes, kUninitialised);
    writes_.assign(bytes, 0);
    reader_warps_.assign(bytes, 0);
    if (reads_.size() < warps)
        reads_.resize(warps);
    for (unsigned warp = 0; warp < warps; warp++) {
        if (reads_[warp].size() < bytes)
            reads_[warp].resize(bytes);
    }
}

inline SharedShadow::ReadRecord SharedShadow::joined(const Thread& thread, ReadRecord before) const {
    uint32_t now = thread.clock(), clock = static_cast<uint32_t>(before >> 32);
    auto lanes = static_cast<unsigned>(before);
    if (clock == now)
        return before | thread.bit();
    // Reads that are ordered before this one need no remembering: who is ordered behind this one is behind those too.
    const uint32_t* known = thread.block->clocks.of(thread.index) + thread.warp->index * kWarpSize;
    unsigned unordered = 0;
    for (unsigned rest = lanes; rest; rest &= rest - 1) {
        unsigned lane = __builtin_ctz(rest);
        if (lane != thread.lane && known[lane] < clock)
            unordered |= 1u << lane;
    }
    if (unordered)
        now = std::max(now, clock);
    return static_cast<ReadRecord>(now) << 32 | unordered | thread.bit();
}

template <unsigned kBytes>
inline void SharedShadow::read_bytes(Thread& thread, unsigned offset) {
    const uint8_t* states = &states_[offset];
    uint8_t wrong = 0;
    for (unsigned i = 0; i < kBytes; i++)
        wrong |= states[i] ^ kInitialised;
    if (wrong) [[unlikely]] {
        for (unsigned i = 0; i < kBytes; i++) {
            if (states[i] == kUninitialised)
                fail(kLaunchFailed, "reads %u bytes of shared memory at %u, of which byte %u was never written", kBytes, offset, offset + i);
            if (states[i] == kAsyncPending)
                fail(kLaunchFailed, "reads shared memory at %u while an asynchronous copy into it is under way (no wait for it, or no barrier behind the wait)",
                    offset + i);
        }
    }
    const WriteRecord* writes = &writes_[offset];
    for (unsigned i = 0, step = all_same<kBytes>(writes) ? kBytes : 1; i < kBytes; i += step)
        check_last_write(thread, writes[i], offset + i, "reads");

    unsigned warp = thread.warp->index;
    uint32_t bit = 1u << warp, *warps = &reader_warps_[offset];
    ReadRecord* reads = &reads_[warp][offset];
    ReadRecord first = static_cast<ReadRecord>(thread.clock()) << 32 | thread.bit();
    if (all_same<kBytes>(warps) && (!(warps[0] & bit) || all_same<kBytes>(reads))) {
        ReadRecord next = warps[0] & bit ? joined(thread, reads[0]) : first;
        std::fill_n(reads, kBytes, next);
        std::fill_n(warps, kBytes, warps[0] | bit);
        return;
    }
    for (unsigned i = 0; i < kBytes; i++) {
        reads[i] = warps[i] & bit ? joined(thread, reads[i]) : first;
        warps[i] |= bit;
    }
}

void SharedShadow::read(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "reads");
    switch (bytes) {
    case 2: return read_bytes<2>(thread, offset);
    case 4: return read_bytes<4>(thread, offset);
    case 8: return read_bytes<8>(thread, offset);
    case 16: return read_bytes<16>(thread, offset);
    default:
        for (unsigned i = 0; i < bytes; i++)
            read_bytes<1>(thread, offset + i);
    }
}

void SharedShadow::write(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "writes");
    if (std::memchr(&states_[offset], kAsyncPending, bytes)) [[unlikely]]
        fail(kLaunchFailed, "writes %u bytes of shared memory at %u while an asynchronous copy into it is under way", bytes, offset);
    check_writable(thread, offset, bytes, "writes");
    remember_write(thread, offset, bytes);
}

void SharedShadow::atomic(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "changes atomically");
    for (unsigned i = offset; i < offset + bytes; i++) {
        if (states_[i] != kInitialised)
            fail(kLaunchFailed, "changes shared memory at %u atomically, which was never written", i);
        // Not remembered: a plain access that races with an atomic one is found only where the plain one is a write that came first.
        check_last_write(thread, writes_[i], i, "changes atomically");
    }
}

void SharedShadow::begin_async(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "copies asynchronously to");
    if (std::memchr(&states_[offset], kAsyncPending, bytes)) [[unlikely]]
        fail(kLaunchFailed, "starts an asynchronous copy to shared memory at %u where another one is under way", offset);
    check_writable(thread, offset, bytes, "starts an asynchronous copy to");
    std::memset(&reader_warps_[offset], 0, bytes * sizeof(uint32_t));
    std::memset(&states_[offset], kAsyncPending, bytes);
}

void SharedShadow::end_async(Thread& thread, unsigned offset, unsigned bytes) { remember_write(thread, offset, bytes); }

inline void SharedShadow::check_bounds(unsigned offset, unsigned bytes, const char* what) const {
    if (offset > bytes_ || bytes > bytes_ - offset) [[unlikely]]
        fail(kIllegalAddress, "%s %u bytes of shared memory at %u, but the block has %u", what, bytes, offset, bytes_);
}

inline void SharedShadow::check_last_write(const Thread& thread, WriteRecord write, unsigned offset, const char* what) const {
    unsigned writer = write & ((1u << kWriterBits) - 1);
    if (write && writer != thread.index && !thread.block->clocks.ordered(writer, write >> kWriterBits, thread.index)) [[unlikely]]
        fail(kLaunchFailed, "%s shared memory at %u, which thread %u wrote, with no barrier in between", what, offset, writer);
}

inline void SharedShadow::check_last_reads(const Thread& thread, unsigned warp, ReadRecord read, unsigned offset, const char* what) const {
    const uint32_t* known = thread.block->clocks.of(thread.index) + warp * kWarpSize;
    auto clock = static_cast<uint32_t>(read >> 32);
    for (auto rest = static_cast<unsigned>(read); rest; rest &= rest - 1) {
        unsigned lane = __builtin_ctz(rest), reader = warp * kWarpSize + lane;
        if (known[lane] < clock && reader != thread.index) [[unlikely]]
            fail(kLaunchFailed, "%s shared memory at %u, which thread %u read, with no barrier in between", what, offset, reader);
    }
}

/// Nobody else has written or read the bytes without being ordered before the thread.
void SharedShadow::check_writable(const Thread& thread, unsigned offset, unsigned bytes, const char* what) const {
    const WriteRecord* writes = &writes_[offset];
    for (unsigned i = 0, step = all_same(writes, bytes) ? bytes : 1; i < bytes; i += step)
        check_last_write(thread, writes[i], offset + i, what);
    const uint32_t* warps = &reader_warps_[offset];
    unsigned common = all_same(warps, bytes) ? bytes : 1;
    for (unsigned i = 0; i < bytes; i += common) {
        for (unsigned rest = warps[i]; rest; rest &= rest - 1) {
            unsigned warp = __builtin_ctz(rest);
            const ReadRecord* reads = &reads_[warp][offset + i];
            for (unsigned j = 0, step = all_same(reads, common) ? common : 1; j < common; j += step)
                check_last_reads(thread, warp, reads[j], offset + i + j, what);
        }
    }
}

void SharedShadow::remember_write(const Thread& thread, unsigned offset, unsigned bytes) {
    uint32_t clock = thread.clock();
    if (clock > kLastSharedClock) [[unlikely]]
        fail(kLaunchFailed, "has met more barriers than the emulator can count (%u)", kLastSharedClock);
    std::memset(&states_[offset], kInitialised, bytes);
    std::fill_n(&writes_[offset], bytes, clock << kWriterBits | thread.index);
    // Who is ordered behind this write is behind the reads before it, too.
    std::memset(&reader_warps_[offset], 0, bytes * sizeof(uint32_t));
}

} // namespace emulator
