#include "shared_shadow.h"

#include <algorithm>
#include <cstring>

#include "execution.h"

namespace emulator {

namespace {
/// Whether `count` elements are all the same: then one check stands for all.
template <typename T>
bool uniform(const T* values, unsigned count) {
    return count < 2 || std::memcmp(values, values + 1, (count - 1) * sizeof(T)) == 0;
}
} // namespace

void SharedShadow::reset(unsigned bytes, unsigned warps) {
    bytes_ = bytes;
    warps_ = warps;
    states_.assign(bytes, kUninitialised);
    writers_.assign(bytes, 0);
    write_clocks_.assign(bytes, 0);
    reader_warps_.assign(bytes, 0);
    read_clocks_.resize(warps);
    read_lanes_.resize(warps);
    for (unsigned warp = 0; warp < warps; warp++) {
        read_clocks_[warp].assign(bytes, 0);
        read_lanes_[warp].assign(bytes, 0);
    }
}

void SharedShadow::read(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "reads");
    for (unsigned i = offset; i < offset + bytes; i++) {
        if (states_[i] == kUninitialised)
            fail(kLaunchFailed, "reads %u bytes of shared memory at %u, of which byte %u was never written", bytes, offset, i);
        if (states_[i] == kAsyncPending)
            fail(kLaunchFailed, "reads shared memory at %u while an asynchronous copy into it is under way (no wait for it, or no barrier behind the wait)", i);
    }
    check_last_write(thread, offset, bytes, "reads");

    unsigned warp = thread.warp->index, bit = 1u << warp;
    uint32_t now = thread.clock();
    uint32_t* clocks = read_clocks_[warp].data();
    uint32_t* lanes = read_lanes_[warp].data();
    const VectorClocks& order = thread.block->clocks;
    for (unsigned i = offset; i < offset + bytes; i++) {
        if (!(reader_warps_[i] & bit)) {
            reader_warps_[i] |= bit;
            clocks[i] = now;
            lanes[i] = thread.bit();
        } else if (clocks[i] == now) {
            lanes[i] |= thread.bit();
        } else {
            // Reads that are ordered before this one need no remembering: who is ordered behind this one is behind those too.
            unsigned unordered = 0;
            for (unsigned rest = lanes[i]; rest; rest &= rest - 1) {
                unsigned lane = __builtin_ctz(rest);
                if (!order.ordered(warp * kWarpSize + lane, clocks[i], thread.index))
                    unordered |= 1u << lane;
            }
            clocks[i] = unordered ? std::max(clocks[i], now) : now;
            lanes[i] = unordered | thread.bit();
        }
    }
}

void SharedShadow::write(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "writes");
    for (unsigned i = offset; i < offset + bytes; i++) {
        if (states_[i] == kAsyncPending)
            fail(kLaunchFailed, "writes shared memory at %u while an asynchronous copy into it is under way", i);
    }
    check_last_write(thread, offset, bytes, "writes");
    check_last_reads(thread, offset, bytes, "writes");
    forget_reads(offset, bytes);
    remember_write(thread, offset, bytes);
}

void SharedShadow::begin_async(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "copies asynchronously to");
    for (unsigned i = offset; i < offset + bytes; i++) {
        if (states_[i] == kAsyncPending)
            fail(kLaunchFailed, "starts an asynchronous copy to shared memory at %u where another one is under way", i);
    }
    check_last_write(thread, offset, bytes, "starts an asynchronous copy to");
    check_last_reads(thread, offset, bytes, "starts an asynchronous copy to");
    forget_reads(offset, bytes);
    std::memset(states_.data() + offset, kAsyncPending, bytes);
}

void SharedShadow::end_async(Thread& thread, unsigned offset, unsigned bytes) { remember_write(thread, offset, bytes); }

void SharedShadow::check_bounds(unsigned offset, unsigned bytes, const char* what) const {
    if (offset > bytes_ || bytes > bytes_ - offset)
        fail(kIllegalAddress, "%s %u bytes of shared memory at %u, but the block has %u", what, bytes, offset, bytes_);
}

void SharedShadow::check_last_write(const Thread& thread, unsigned offset, unsigned bytes, const char* what) const {
    unsigned step = uniform(&write_clocks_[offset], bytes) && uniform(&writers_[offset], bytes) ? bytes : 1;
    for (unsigned i = offset; i < offset + bytes; i += step) {
        unsigned writer = writers_[i];
        if (write_clocks_[i] && writer != thread.index && !thread.block->clocks.ordered(writer, write_clocks_[i], thread.index))
            fail(kLaunchFailed, "%s shared memory at %u, which thread %u wrote, with no barrier in between", what, i, writer);
    }
}

void SharedShadow::check_last_reads(const Thread& thread, unsigned offset, unsigned bytes, const char* what) const {
    const uint32_t* known = thread.block->clocks.of(thread.index);
    unsigned common = uniform(&reader_warps_[offset], bytes) ? bytes : 1;
    for (unsigned i = offset; i < offset + bytes; i += common) {
        for (unsigned warps = reader_warps_[i]; warps; warps &= warps - 1) {
            unsigned warp = __builtin_ctz(warps);
            const uint32_t* clocks = &read_clocks_[warp][i];
            const uint32_t* lanes = &read_lanes_[warp][i];
            unsigned step = uniform(clocks, common) && uniform(lanes, common) ? common : 1;
            for (unsigned j = 0; j < common; j += step) {
                for (unsigned rest = lanes[j]; rest; rest &= rest - 1) {
                    unsigned reader = warp * kWarpSize + __builtin_ctz(rest);
                    if (reader != thread.index && known[reader] < clocks[j])
                        fail(kLaunchFailed, "%s shared memory at %u, which thread %u read, with no barrier in between", what, i + j, reader);
                }
            }
        }
    }
}

void SharedShadow::forget_reads(unsigned offset, unsigned bytes) {
    // Who is ordered behind this write is behind those reads too.
    std::memset(&reader_warps_[offset], 0, bytes * sizeof(uint32_t));
}

void SharedShadow::remember_write(const Thread& thread, unsigned offset, unsigned bytes) {
    std::memset(states_.data() + offset, kInitialised, bytes);
    std::fill_n(writers_.begin() + offset, bytes, static_cast<uint16_t>(thread.index));
    std::fill_n(write_clocks_.begin() + offset, bytes, thread.clock());
}

} // namespace emulator
