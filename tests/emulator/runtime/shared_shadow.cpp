#include "shared_shadow.h"

#include <algorithm>
#include <cstring>

#include "execution.h"

namespace emulator {

namespace {
constexpr unsigned kWriterBits = 11;    // threads of a block, and the columns behind them
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

void SharedShadow::reset(const Block& block, unsigned bytes, unsigned warps) {
    block_ = &block;
    bytes_ = bytes;
    warps_ = warps;
    unsigned lines = (bytes + kLineBytes - 1) / kLineBytes;
    states_.assign(lines * kLineBytes, kUninitialised);
    is_split_.assign(lines, 0);
    line_writes_.assign(lines, 0);
    line_reader_warps_.assign(lines, 0);
    async_readers_.assign(lines, 0);
    store_reads_.assign(lines, 0);
    cluster_reads_.clear();
    product_reads_.resize(std::max<size_t>(product_reads_.size(), warps));
    // Records of bytes and of reads hold only once something says so.
    writes_.resize(lines * kLineBytes);
    reader_warps_.resize(lines * kLineBytes);
    reads_.resize(std::max<size_t>(reads_.size(), warps));
    line_reads_.resize(std::max<size_t>(line_reads_.size(), warps));
    for (unsigned warp = 0; warp < warps; warp++) {
        reads_[warp].resize(lines * kLineBytes);
        line_reads_[warp].resize(lines);
        product_reads_[warp].resize(lines);
    }
}

void SharedShadow::split(unsigned line) {
    unsigned begin = line * kLineBytes;
    is_split_[line] = 1;
    std::fill_n(&writes_[begin], kLineBytes, line_writes_[line]);
    std::fill_n(&reader_warps_[begin], kLineBytes, line_reader_warps_[line]);
    for (unsigned rest = line_reader_warps_[line]; rest; rest &= rest - 1) {
        unsigned warp = __builtin_ctz(rest);
        std::fill_n(&reads_[warp][begin], kLineBytes, line_reads_[warp][line]);
    }
}

inline SharedShadow::ReadRecord SharedShadow::joined(const Thread& thread, ReadRecord before) const {
    uint32_t now = thread.clock(), clock = static_cast<uint32_t>(before >> 32);
    auto lanes = static_cast<unsigned>(before);
    if (clock == now)
        return before | thread.bit();
    // Reads that are ordered before this one need no remembering: who is ordered behind this one is behind those too.
    const uint32_t* known = known_of(thread, *thread.block) + thread.warp->index * kWarpSize;
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

void SharedShadow::check_states(unsigned offset, unsigned bytes) const {
    for (unsigned i = offset; i < offset + bytes; i++) {
        if (states_[i] == kUninitialised)
            fail(kLaunchFailed, "reads %u bytes of shared memory at %u, of which byte %u was never written", bytes, offset, i);
        if (states_[i] == kAsyncPending)
            fail(kLaunchFailed, "reads shared memory at %u while an asynchronous copy into it is under way (no wait for it, or no barrier behind the wait)", i);
        if (states_[i] == kBarrierState)
            fail(kLaunchFailed, "reads shared memory at %u, which is an mbarrier", i);
    }
}

template <unsigned kBytes>
inline void SharedShadow::read_bytes(Thread& thread, unsigned offset) {
    uint8_t wrong = 0;
    for (unsigned i = 0; i < kBytes; i++)
        wrong |= states_[offset + i] ^ kInitialised;
    if (wrong) [[unlikely]]
        check_states(offset, kBytes);
    if (!is_split_[offset / kLineBytes])
        split(offset / kLineBytes);
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

inline void SharedShadow::read_line(Thread& thread, unsigned offset) {
    unsigned line = offset / kLineBytes;
    if (is_split_[line])
        return read_bytes<kLineBytes>(thread, offset);
    uint8_t wrong = 0;
    for (unsigned i = 0; i < kLineBytes; i++)
        wrong |= states_[offset + i] ^ kInitialised;
    if (wrong) [[unlikely]]
        check_states(offset, kLineBytes);
    check_last_write(thread, line_writes_[line], offset, "reads");
    unsigned warp = thread.warp->index;
    uint32_t bit = 1u << warp;
    ReadRecord& read = line_reads_[warp][line];
    read = line_reader_warps_[line] & bit ? joined(thread, read) : static_cast<ReadRecord>(thread.clock()) << 32 | thread.bit();
    line_reader_warps_[line] |= bit;
}

// Accesses are aligned to their size: none leaves its line.
void SharedShadow::read(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "reads");
    switch (bytes) {
    case 2: return read_bytes<2>(thread, offset);
    case 4: return read_bytes<4>(thread, offset);
    case 8: return read_bytes<8>(thread, offset);
    case 16: return read_line(thread, offset);
    default:
        for (unsigned i = 0; i < bytes; i++)
            read_bytes<1>(thread, offset + i);
    }
}

void SharedShadow::write(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "writes");
    check_free(offset, bytes, "writes");
    check_writable(thread, offset, bytes, "writes");
    remember_write(thread, offset, bytes);
}

void SharedShadow::read_from_cluster(const Thread& thread, unsigned offset) {
    check_bounds(offset, kLineBytes, "reads");
    check_states(offset, kLineBytes);
    unsigned line = offset / kLineBytes;
    for (unsigned i = 0; i < kLineBytes; i++)
        check_last_write(thread, is_split_[line] ? writes_[offset + i] : line_writes_[line], offset + i, "reads");
    cluster_reads_[line][thread.clock_index] = thread.clock();
}

void SharedShadow::atomic(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "changes atomically");
    if (!is_split_[offset / kLineBytes])
        split(offset / kLineBytes);
    for (unsigned i = offset; i < offset + bytes; i++) {
        if (states_[i] != kInitialised)
            fail(kLaunchFailed, "changes shared memory at %u atomically, which was never written", i);
        // Not remembered: a plain access that races with an atomic one is found only where the plain one is a write that came first.
        check_last_write(thread, writes_[i], i, "changes atomically");
    }
}

void SharedShadow::begin_async(Thread& thread, unsigned offset, unsigned bytes) {
    check_bounds(offset, bytes, "copies asynchronously to");
    check_free(offset, bytes, "starts an asynchronous copy to");
    check_writable(thread, offset, bytes, "starts an asynchronous copy to");
    std::memset(&states_[offset], kAsyncPending, bytes);
}

void SharedShadow::end_async(Thread& thread, unsigned offset, unsigned bytes) { remember_write(thread, offset, bytes); }

inline void SharedShadow::check_bounds(unsigned offset, unsigned bytes, const char* what) const {
    if (offset > bytes_ || bytes > bytes_ - offset) [[unlikely]]
        fail(kIllegalAddress, "%s %u bytes of shared memory at %u, but the block has %u", what, bytes, offset, bytes_);
}

inline void SharedShadow::check_last_write(const Thread& thread, WriteRecord write, unsigned offset, const char* what) const {
    unsigned writer = write & ((1u << kWriterBits) - 1);
    if (write && block_->clock_base + writer != thread.clock_index && known_of(thread, *block_)[writer] < write >> kWriterBits) [[unlikely]]
        fail_unordered(writer, offset, what);
}

inline void SharedShadow::check_last_reads(const Thread& thread, unsigned warp, ReadRecord read, unsigned offset, const char* what) const {
    const uint32_t* known = known_of(thread, *block_) + warp * kWarpSize;
    auto clock = static_cast<uint32_t>(read >> 32);
    for (auto rest = static_cast<unsigned>(read); rest; rest &= rest - 1) {
        unsigned lane = __builtin_ctz(rest), reader = warp * kWarpSize + lane;
        if (known[lane] < clock && block_->clock_base + reader != thread.clock_index) [[unlikely]]
            fail(kLaunchFailed, "%s shared memory at %u, which thread %u read, with no barrier in between", what, offset, reader);
    }
}

/// Nobody else has written or read the bytes without being ordered before the thread.
void SharedShadow::check_writable(const Thread& thread, unsigned offset, unsigned bytes, const char* what) const {
    unsigned line = offset / kLineBytes;
    if (async_readers_[line] | store_reads_[line]) [[unlikely]]
        check_async_reads(thread, line, what);
    if (!cluster_reads_.empty()) [[unlikely]]
        check_cluster_reads(thread, line, what);
    if (!is_split_[line]) {
        check_last_write(thread, line_writes_[line], offset, what);
        for (unsigned rest = line_reader_warps_[line]; rest; rest &= rest - 1) {
            unsigned warp = __builtin_ctz(rest);
            check_last_reads(thread, warp, line_reads_[warp][line], offset, what);
        }
        return;
    }
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
    remember_write(thread.index, thread.clock(), offset, bytes);
}

void SharedShadow::remember_write(unsigned writer, uint32_t clock, unsigned offset, unsigned bytes) {
    if (clock > kLastSharedClock) [[unlikely]]
        fail(kLaunchFailed, "has met more barriers than the emulator can count (%u)", kLastSharedClock);
    std::memset(&states_[offset], kInitialised, bytes);
    unsigned line = offset / kLineBytes;
    WriteRecord now = clock << kWriterBits | writer;
    async_readers_[line] = 0;
    if (!cluster_reads_.empty()) [[unlikely]]
        cluster_reads_.erase(line);
    if (bytes == kLineBytes) {
        is_split_[line] = 0;
        line_writes_[line] = now;
        line_reader_warps_[line] = 0;
        return;
    }
    if (!is_split_[line])
        split(line);
    std::fill_n(&writes_[offset], bytes, now);
    // Who is ordered behind this write is behind the reads before it, too.
    std::memset(&reader_warps_[offset], 0, bytes * sizeof(uint32_t));
}

void SharedShadow::end_tensor_copy(uint32_t moment, unsigned offset, unsigned bytes) {
    remember_write(async_write_column(*block_), moment, offset, bytes);
}

void SharedShadow::read_product(const Thread& thread, unsigned offset, uint32_t moment) {
    check_async_source(thread, offset, "multiplies");
    unsigned line = offset / kLineBytes;
    async_readers_[line] |= 1u << thread.warp->index;
    product_reads_[thread.warp->index][line] = moment;
}

void SharedShadow::begin_store(const Thread& thread, unsigned offset) {
    check_async_source(thread, offset, "stores");
    store_reads_[offset / kLineBytes]++;
}

void SharedShadow::end_store(Thread& thread, unsigned offset) {
    store_reads_[offset / kLineBytes]--;
    read_line(thread, offset);
}

void SharedShadow::make_barrier(Thread& thread, unsigned offset) {
    constexpr unsigned kBarrierBytes = 8;
    check_bounds(offset, kBarrierBytes, "makes an mbarrier of");
    check_free(offset, kBarrierBytes, "makes an mbarrier of");
    check_writable(thread, offset, kBarrierBytes, "makes an mbarrier of");
    remember_write(thread, offset, kBarrierBytes);
    std::memset(&states_[offset], kBarrierState, kBarrierBytes);
}

void SharedShadow::check_barrier(const Thread& thread, unsigned offset) const {
    check_last_write(thread, writes_[offset], offset, "uses the mbarrier in");
}

/// What the asynchronous proxy reads for a thread: written, seen by the thread, and fenced by who wrote it.
void SharedShadow::check_async_source(const Thread& thread, unsigned offset, const char* what) {
    check_bounds(offset, kLineBytes, what);
    unsigned line = offset / kLineBytes;
    uint8_t wrong = 0;
    for (unsigned i = 0; i < kLineBytes; i++)
        wrong |= states_[offset + i] ^ kInitialised;
    if (wrong) [[unlikely]]
        check_states(offset, kLineBytes);
    if (!is_split_[line])
        return check_proxy(thread, line_writes_[line], offset, what);
    for (unsigned i = 0; i < kLineBytes; i++)
        check_proxy(thread, writes_[offset + i], offset + i, what);
}

inline void SharedShadow::check_proxy(const Thread& thread, WriteRecord write, unsigned offset, const char* what) const {
    check_last_write(thread, write, offset, what);
    unsigned writer = write & ((1u << kWriterBits) - 1);
    if (writer < block_->threads.size()
        && !block_->threads[writer].fences.proxy.covers(write >> kWriterBits, known_of(thread, *block_)[writer])) [[unlikely]]
        fail(kLaunchFailed, "%s shared memory at %u by the asynchronous proxy, which thread %u wrote with no fence.proxy.async behind it",
            what, offset, writer);
}

/// No read by the asynchronous proxy may still be under way.
void SharedShadow::check_async_reads(const Thread& thread, unsigned line, const char* what) const {
    if (store_reads_[line])
        fail(kLaunchFailed, "%s shared memory at %u, from which a tensor store may still read (no wait for its group)", what,
            line * kLineBytes);
    for (unsigned rest = async_readers_[line]; rest; rest &= rest - 1) {
        unsigned warp = __builtin_ctz(rest);
        if (known_of(thread, *block_)[product_column(*block_, warp)] < product_reads_[warp][line])
            fail(kLaunchFailed,
                "%s shared memory at %u, which a product of warp %u may still read (no wait for it, or no barrier behind the wait)", what, line * kLineBytes, warp);
    }
}

/// No read by a thread of another block may be unordered.
void SharedShadow::check_cluster_reads(const Thread& thread, unsigned line, const char* what) const {
    auto reads = cluster_reads_.find(line);
    if (reads == cluster_reads_.end())
        return;
    for (auto [reader, moment] : reads->second) {
        if (clocks_of(thread).of(thread.clock_index)[reader] < moment)
            fail(kLaunchFailed, "%s shared memory at %u, which a thread of another block of the cluster read, with no barrier in between", what,
                line * kLineBytes);
    }
}

/// Neither a copy nor an mbarrier lies there.
void SharedShadow::check_free(unsigned offset, unsigned bytes, const char* what) const {
    for (unsigned i = offset; i < offset + bytes; i++) {
        if (states_[i] == kAsyncPending) [[unlikely]]
            fail(kLaunchFailed, "%s shared memory at %u while an asynchronous copy into it is under way", what, i);
        if (states_[i] == kBarrierState) [[unlikely]]
            fail(kLaunchFailed, "%s shared memory at %u, which is an mbarrier", what, i);
    }
}

void SharedShadow::fail_unordered(unsigned writer, unsigned offset, const char* what) const {
    if (writer == async_write_column(*block_))
        fail(kLaunchFailed, "%s shared memory at %u, which a tensor copy wrote, with no wait for its mbarrier in between", what, offset);
    fail(kLaunchFailed, "%s shared memory at %u, which thread %u wrote, with no barrier in between", what, offset, writer);
}

} // namespace emulator
