#include "mbarriers.h"

#include "execution.h"
#include "memory_access.h"

namespace emulator {

namespace {
constexpr int64_t kMostBytes = (1 << 20) - 1;

void complete_phase(MBarrier& barrier, Cluster& cluster) {
    if (barrier.pending || barrier.bytes)
        return;
    barrier.phase++;
    barrier.pending = barrier.expected;
    barrier.known_of_last_phase = barrier.known;
    barrier.known.assign(cluster.clocks.threads(), 0);
    for (Thread* thread : barrier.waiters)
        wake(*thread);
    barrier.waiters.clear();
}

void announce(MBarrier& barrier, unsigned bytes) {
    barrier.bytes += bytes;
    if (barrier.bytes > kMostBytes)
        fail(kIllegalInstruction, "expects %lld bytes at the mbarrier at %u, which counts to %lld", static_cast<long long>(barrier.bytes),
            barrier.offset, static_cast<long long>(kMostBytes));
}

void arrive(Thread& thread, MBarrier& barrier) {
    if (barrier.pending == 0)
        fail(kLaunchFailed, "arrives at the mbarrier at %u, to which all %u have come in this phase", barrier.offset, barrier.expected);
    Cluster& cluster = *thread.block->cluster;
    cluster.clocks.join(barrier.known, thread.clock_index);
    cluster.clocks.advance(thread.clock_index);
    barrier.pending--;
    complete_phase(barrier, cluster);
}

bool is_over(const MBarrier& barrier, unsigned parity) { return (barrier.phase & 1) != parity; }

void check_parity(unsigned parity) {
    if (parity > 1)
        fail(kIllegalInstruction, "waits for the parity %u of an mbarrier's phase: it is 0 or 1", parity);
}
} // namespace

MBarrier& find_mbarrier(Thread& thread, unsigned address, const char* what, Block*& owner) {
    Block& block = *thread.block;
    unsigned rank = address >> kRankShift, offset = (address & ((1u << kRankShift) - 1)) - block.launch->request.shared_address_base;
    if (rank > block.cluster->blocks.size())
        fail(kIllegalAddress, "executes %s with an address in block %u of a cluster of %zu", what, rank - 1, block.cluster->blocks.size());
    owner = rank ? block.cluster->blocks[rank - 1] : &block;
    if (owner->alive == 0)
        fail(kIllegalAddress, "executes %s on shared memory of block %u of its cluster, which has ended", what, owner->rank);
    if (offset % 8 != 0)
        fail(kMisalignedAddress, "executes %s at offset %u of shared memory, which is not aligned to 8 bytes", what, offset);
    auto found = owner->mbarriers.find(offset);
    if (found == owner->mbarriers.end())
        fail(kLaunchFailed, "executes %s at offset %u of shared memory, where no mbarrier was made", what, offset);
    owner->shared_shadow.check_barrier(thread, offset);
    return found->second;
}

MBarrier& find_copy_mbarrier(Thread& thread, Block& owner, unsigned offset) {
    unsigned base = owner.launch->request.shared_address_base;
    unsigned address = offset + base + (&owner == thread.block ? 0 : (owner.rank + 1) << kRankShift);
    Block* same;
    MBarrier& barrier = find_mbarrier(thread, address, "a tensor copy", same);
    const Thread& maker = owner.threads[barrier.made_by - owner.clock_base];
    if (!maker.fences.barrier_init.covers(barrier.made_at, clocks_of(thread).of(thread.clock_index)[barrier.made_by]))
        fail(kLaunchFailed, "starts a tensor copy with the mbarrier at %u, which was made with no fence.mbarrier_init behind it", offset);
    return barrier;
}

void complete_bytes(Block& owner, unsigned offset, unsigned bytes, unsigned column, uint32_t moment) {
    MBarrier& barrier = owner.mbarriers.at(offset);
    barrier.bytes -= bytes;
    if (barrier.bytes < -kMostBytes)
        fail(kIllegalInstruction, "copies more bytes to the mbarrier at %u than it counts, and nobody expects them", offset);
    barrier.known.resize(owner.cluster->clocks.threads());
    barrier.known[column] = std::max(barrier.known[column], moment);
    complete_phase(barrier, *owner.cluster);
}

} // namespace emulator

using namespace emulator;

extern "C" {

void emulator_mbarrier_init(unsigned address, unsigned count) {
    Thread& thread = *current_thread();
    unsigned offset = address - thread.block->launch->request.shared_address_base;
    if (count < 1 || count > kMostBytes)
        fail(kIllegalInstruction, "makes an mbarrier for %u arrivals; it counts 1 to %lld", count, static_cast<long long>(kMostBytes));
    if (offset % 8 != 0)
        fail(kMisalignedAddress, "makes an mbarrier at offset %u of shared memory, which is not aligned to 8 bytes", offset);
    thread.block->shared_shadow.make_barrier(thread, offset);
    MBarrier& barrier = thread.block->mbarriers[offset] = {};
    barrier.offset = offset;
    barrier.expected = barrier.pending = count;
    barrier.made_by = thread.clock_index;
    barrier.made_at = thread.clock();
}

void emulator_mbarrier_arrive(unsigned address) {
    Thread& thread = *current_thread();
    Block* owner;
    arrive(thread, find_mbarrier(thread, address, "mbarrier.arrive", owner));
    maybe_preempt(thread);
}

void emulator_mbarrier_expect_tx(unsigned address, unsigned bytes) {
    Thread& thread = *current_thread();
    Block* owner;
    MBarrier& barrier = find_mbarrier(thread, address, "mbarrier.expect_tx", owner);
    announce(barrier, bytes);
}

void emulator_mbarrier_arrive_expect_tx(unsigned address, unsigned bytes) {
    Thread& thread = *current_thread();
    Block* owner;
    MBarrier& barrier = find_mbarrier(thread, address, "mbarrier.arrive.expect_tx", owner);
    announce(barrier, bytes);
    arrive(thread, barrier);
    maybe_preempt(thread);
}

bool emulator_mbarrier_try_wait(unsigned address, unsigned parity) {
    Thread& thread = *current_thread();
    Block* owner;
    MBarrier& barrier = find_mbarrier(thread, address, kMBarrierWait, owner);
    check_parity(parity);
    if (owner != thread.block)
        fail(kIllegalAddress, "waits for an mbarrier of another block; only one's own can be waited for");
    if (is_over(barrier, parity)) {
        clocks_of(thread).learn(thread.clock_index, barrier.known_of_last_phase);
        return true;
    }
    yield(thread);
    return false;
}

void emulator_mbarrier_wait(unsigned address, unsigned parity) {
    Thread& thread = *current_thread();
    Block* owner;
    MBarrier& barrier = find_mbarrier(thread, address, kMBarrierWait, owner);
    check_parity(parity);
    if (owner != thread.block)
        fail(kIllegalAddress, "waits for an mbarrier of another block; only one's own can be waited for");
    while (!is_over(barrier, parity)) {
        barrier.waiters.push_back(&thread);
        thread.waiting_id = barrier.offset;
        park(thread, kMBarrierWait);
    }
    clocks_of(thread).learn(thread.clock_index, barrier.known_of_last_phase);
    maybe_preempt(thread);
}

void emulator_fence_mbarrier_init() {
    Thread& thread = *current_thread();
    thread.fences.barrier_init.add(thread.clock());
    clocks_of(thread).advance(thread.clock_index);
}

void emulator_fence_proxy_async() {
    Thread& thread = *current_thread();
    thread.fences.proxy.add(thread.clock());
    clocks_of(thread).advance(thread.clock_index);
}

} // extern "C"
